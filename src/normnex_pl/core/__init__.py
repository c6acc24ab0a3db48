"""Types, errors and whole-file writing, which all rooms share."""
