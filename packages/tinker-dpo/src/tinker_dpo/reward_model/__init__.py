"""Reward and preference models, and pairs made with them."""
