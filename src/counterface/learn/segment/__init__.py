"""Nets that tell where a face is visible in its crop, and their training."""
