"""Speech that a program made: what a small network says of it, and how the network is trained."""
