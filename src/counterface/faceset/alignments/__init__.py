"""Landmarks of a faceset: found again, exchanged with other programs, checked and drawn."""
