"""The checkpoints of engines and runs: what there is, what needs it, and what may go."""
