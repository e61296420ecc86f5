"""Optimizer settings, learning-rate schedules and hyperparameters."""
