"""The interface of a chat format, and what its implementations share."""
