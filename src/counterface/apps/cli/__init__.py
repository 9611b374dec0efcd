"""One file per command noun."""
