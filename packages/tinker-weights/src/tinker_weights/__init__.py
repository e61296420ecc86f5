"""From a Tinker checkpoint to a model that can be served."""
