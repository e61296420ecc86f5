"""The model that an adapter belongs to: where it lies, its config.json and its tensors."""
