"""Checkpoints: settings, saving, records and retention."""
