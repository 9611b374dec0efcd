"""What a made file carries and leaves beside it, and how to find that again."""
