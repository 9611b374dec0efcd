"""The net that ships: the mask of the visible face."""
