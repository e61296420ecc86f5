"""Environments: one episode of a problem, a conversation, a tool user, a game or a comparison."""
