"""A manifest of many files, scanned or extracted by worker processes of Ray on many machines."""
