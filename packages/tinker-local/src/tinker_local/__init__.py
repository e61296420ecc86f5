"""The embedded engine: a Tinker API server with LoRA training and sampling, on one machine."""
