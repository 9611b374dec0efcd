"""What a scan leaves behind: the versioned JSON and the HTML page."""
