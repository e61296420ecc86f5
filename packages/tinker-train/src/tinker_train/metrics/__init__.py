"""Metrics: rows, sinks in the run directory and outside it, distributions."""
