"""Checkpoints: save, record, find and delete them."""
