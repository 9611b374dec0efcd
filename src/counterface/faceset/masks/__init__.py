"""Masks of a faceset's crops: polygons and pictures, in and out."""
