"""The on-disk hand-over between footage and training: crops a person can browse, plus records."""
