"""Pictures for several viewpoints at once: stereo pairs and quilts."""
