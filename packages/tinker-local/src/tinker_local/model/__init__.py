"""A base model: loading, LoRA adapters, attention, the KV cache."""
