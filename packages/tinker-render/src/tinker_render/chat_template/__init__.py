"""The renderer for any other model: it follows the tokenizer's own chat template."""
