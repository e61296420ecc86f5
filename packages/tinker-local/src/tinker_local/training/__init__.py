"""LoRA training: losses, forward and backward passes, the optimizer."""
