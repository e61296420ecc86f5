"""Training loops: the loop state, steps, early stopping, and recording of results."""
