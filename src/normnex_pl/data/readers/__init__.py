"""Readers of scenes: one kind of scene a file."""

from normnex_pl.data.readers.auto import AnyKind
from normnex_pl.data.readers.colmap import ColmapReader
from normnex_pl.data.readers.llff import LLFFReader
from normnex_pl.data.readers.nerfstudio import NerfstudioReader
from normnex_pl.data.readers.spaces import SpacesReader

__all__ = ["AnyKind", "ColmapReader", "LLFFReader", "NerfstudioReader", "SpacesReader"]
