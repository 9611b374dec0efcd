"""Labelled data: manifests, splits, and pseudo-fakes made from real faces."""
