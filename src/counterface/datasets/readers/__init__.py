"""One file a layout: how the field's data sets lie on disk, read into manifest entries."""
