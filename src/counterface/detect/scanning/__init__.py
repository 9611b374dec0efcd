"""What a scan looks at beside the scores of faces, and how it keeps them."""
