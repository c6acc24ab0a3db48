"""The memory that a training takes, chunk sizes that fit, and advice where none does."""
