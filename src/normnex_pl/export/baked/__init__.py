"""The baked multiplane image: its files, how they are written, and renderers of them."""
