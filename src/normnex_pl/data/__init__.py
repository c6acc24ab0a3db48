"""Scenes: readers of their files, and the DataModule that draws training rays from them."""
