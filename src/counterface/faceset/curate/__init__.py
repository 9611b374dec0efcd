"""Putting a faceset in order: sort, group, filter, dedupe, restore, pack, merge."""
