"""The OpenAI-compatible routes: chat completions, text completions, models."""
