"""Checkpoints by their name: `tinker://` paths, run directories, and where their files lie."""
