"""What a training will take of its device, and what to do where that is too much."""
