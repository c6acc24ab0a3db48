"""Cameras and planes: pure functions on tensors."""
