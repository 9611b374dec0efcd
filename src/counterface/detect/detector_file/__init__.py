"""Detector files from anyone: checked before they are loaded, run in a child under limits."""
