"""What a scene is, before anything is trained on it: numbers, warnings and a picture."""
