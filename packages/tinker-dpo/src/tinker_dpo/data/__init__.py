"""Preference data: rows, builders, rendering and batches."""
