"""What lies beside the pictures in a video file: sound, subtitles, chapters, tags."""
