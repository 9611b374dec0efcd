"""Face-finding and landmark backends, one in each file."""
