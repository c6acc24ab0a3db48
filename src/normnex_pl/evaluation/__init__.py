"""Scores and pictures of a model."""
