"""Fakes minted from genuine pictures, each beside its twin, which differs by the touch alone."""
