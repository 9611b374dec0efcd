"""One generated face into one frame: mask, colour, sharpness, blending, and the merge plan."""
