"""One open video stream below `video_reader`: its packets, where to seek, its pictures upright."""
