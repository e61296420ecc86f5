"""Run directories: config, layout, lock, open, rewind, result."""
