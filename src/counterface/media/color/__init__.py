"""What the numbers of a picture mean as light, and HDR brought to SDR."""
