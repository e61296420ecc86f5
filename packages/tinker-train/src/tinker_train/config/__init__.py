"""Configs: cadences, and configs as JSON and TOML."""
