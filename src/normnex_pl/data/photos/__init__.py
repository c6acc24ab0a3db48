"""Photos with their cameras: finding, decoding, undistorting and cropping them."""
