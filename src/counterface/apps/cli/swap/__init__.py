"""`counterface swap ...`, and how its results are told in words."""
