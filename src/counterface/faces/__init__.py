"""Pure functions on one frame: find faces, landmarks, align, mask, pose, track."""
