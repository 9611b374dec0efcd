"""One file per detector architecture."""
