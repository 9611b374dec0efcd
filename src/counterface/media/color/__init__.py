"""What the numbers of a picture mean as light: transfer functions, primaries, HDR brought to SDR."""
