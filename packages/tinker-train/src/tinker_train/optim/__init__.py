"""Optimizer settings, learning-rate schedules and hyperparameters to start from."""
