"""Building blocks of the checks: token sequences, equal models, steps of a known size."""
