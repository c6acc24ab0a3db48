"""What leaves a run: the baked multiplane image, videos. Only this package knows their formats."""
