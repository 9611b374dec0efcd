"""The `counterface` command; each noun has a file."""
