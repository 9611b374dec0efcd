"""One file per face-finding or landmark backend."""
