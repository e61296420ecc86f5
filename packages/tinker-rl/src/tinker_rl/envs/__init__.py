"""Environments: problems, conversations, tools, games, comparisons of answers."""
