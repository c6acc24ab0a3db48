"""Exports of a run: the baked multiplane image, web sites, videos. Only this package knows their formats."""
