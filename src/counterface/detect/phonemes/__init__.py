"""Phonemes of a sound, where a recogniser is installed."""
