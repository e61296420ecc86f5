"""The frozen reference model: its log-probabilities, and the KL to it."""
