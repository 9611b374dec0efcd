"""Training pairs from real faces: a genuine crop and a fake made from it, treated alike."""
