"""Losses, gradients and the optimizer."""
