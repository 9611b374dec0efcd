"""Swap architectures, one in each file."""
