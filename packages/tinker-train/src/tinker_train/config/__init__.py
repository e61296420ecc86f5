"""Pieces of configs: cadences, and conversion to and from JSON and TOML."""
