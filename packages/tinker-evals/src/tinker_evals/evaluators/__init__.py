"""Evaluators for training loops: tasks and held-out likelihood."""
