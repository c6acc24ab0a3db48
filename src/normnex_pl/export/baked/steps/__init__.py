"""The steps of a bake, in their order: evaluate, visibility, quantise, write."""
