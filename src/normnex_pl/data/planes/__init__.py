"""Where the planes stand."""
