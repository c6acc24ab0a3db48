"""Decoding photos, and removing the distortion of their lenses."""
