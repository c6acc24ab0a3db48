"""Loading a scene step by step, its split, and the fingerprint of a run."""
