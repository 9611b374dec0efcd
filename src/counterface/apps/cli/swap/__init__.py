"""`counterface swap ...`, one file for verbs that belong together."""
