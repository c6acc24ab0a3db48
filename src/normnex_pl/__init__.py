"""Multiplane images that change with the viewing direction: NeX and Norm-NeX on PyTorch Lightning."""

__version__ = "0.1.0"
