"""Checkpoints and snapshots on disk."""
