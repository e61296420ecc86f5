"""Tokenizers: loading one by a model's name, encoding segments, decoding tokens."""
