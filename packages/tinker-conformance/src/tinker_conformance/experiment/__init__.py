"""What the checks have in common: token sequences, equal models, and steps of a known size."""
