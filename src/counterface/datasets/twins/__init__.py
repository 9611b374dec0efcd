"""Fakes minted from genuine pictures, each beside a twin that lacks only the maker's traces."""
