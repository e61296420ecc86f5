"""Sampling with continuous batching: scheduling, token sampling, stop strings, logprobs."""
