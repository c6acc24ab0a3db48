"""Readers of scenes: one kind of scene a file; `normnex_pl.data.readers.auto` lists them."""
