"""Data sets made from genuine clips and pictures: swaps by own models, blends, minted twins."""
