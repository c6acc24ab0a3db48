"""A baked image as Gaussian splats, for the viewers and editors of 3D Gaussian splatting."""
