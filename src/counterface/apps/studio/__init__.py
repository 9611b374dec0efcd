"""The studio: the whole lab in a browser, on this machine only."""
