"""Detector architectures, one in each file."""
