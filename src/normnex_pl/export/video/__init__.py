"""Videos of a trained run."""
