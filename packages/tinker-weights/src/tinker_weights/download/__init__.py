"""Checkpoints from an engine into a folder."""
