"""Evaluators that sample from a model."""
