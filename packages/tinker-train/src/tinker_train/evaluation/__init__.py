"""Evaluations during training: settings, and evaluators that sample from the model."""
