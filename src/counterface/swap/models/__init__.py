"""One swap architecture a file."""
