"""What several architectures are made of, and what starts them."""
