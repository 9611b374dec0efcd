"""Published data sets as they lie on disk, read into manifest entries: one layout in each file."""
