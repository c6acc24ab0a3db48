"""From photos, or a video, to a posed scene in the LLFF format: ``normnex prepare``."""
