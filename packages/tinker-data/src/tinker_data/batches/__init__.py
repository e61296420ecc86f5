"""Batches of datums in a seeded order that can be resumed at any position."""
