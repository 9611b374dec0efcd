"""Whether a sound belongs to a pair of lips: what is read of both, the network, its training."""
