"""A baked image as few flat pictures with opacity, for programs that know nothing of multiplane images."""
