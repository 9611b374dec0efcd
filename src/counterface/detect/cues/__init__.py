"""Independent pieces of evidence about one person in a file, one cue a file (docs/cues.md)."""
