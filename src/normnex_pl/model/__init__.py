"""The multiplane image: its fields, its appearance, compositing and shading."""
