"""Detectors in numbers: by group, across data sets, when degraded, against each other."""
