"""Sampled tokens to messages, whole or while they are sampled."""
