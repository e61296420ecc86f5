"""Layouts of rows: conversations to train on, preference pairs, problems."""
