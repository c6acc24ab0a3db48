"""From posed photos to a scene, and what belongs to a scene's folder."""
