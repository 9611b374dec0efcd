"""`counterface detect ...`, one file for verbs that belong together."""
