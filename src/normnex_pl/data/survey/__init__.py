"""Inspection of a scene before training: numbers, warnings and a diagram."""
