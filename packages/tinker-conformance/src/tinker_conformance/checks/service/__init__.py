"""Sessions, checkpoints, errors and the REST interface."""
