"""Metrics of a step: sinks, files and distributions."""
