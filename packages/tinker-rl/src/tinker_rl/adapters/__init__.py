"""Environments of other libraries, each installed by an extra of its name."""
