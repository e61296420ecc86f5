"""The run directory: open, lock, rewind."""
