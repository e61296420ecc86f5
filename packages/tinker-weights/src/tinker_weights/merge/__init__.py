"""Merging an adapter into its base model: a full Hugging Face model, written shard by shard."""
