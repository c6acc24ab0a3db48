"""The placement of the planes in a scene."""
