"""Inspect and lm-evaluation-harness. Each module needs its package."""
