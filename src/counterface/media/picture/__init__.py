"""Picture files that are more than one picture (clips), or less (what is left of a file)."""
