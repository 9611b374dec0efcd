"""`counterface dataset ...`, one file for verbs that belong together."""
