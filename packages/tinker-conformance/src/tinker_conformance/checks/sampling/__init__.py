"""Sampling and the logprobs of samples and prompts."""
