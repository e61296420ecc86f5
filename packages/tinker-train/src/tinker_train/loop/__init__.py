"""The steps of a training loop, and what happens between two steps."""
