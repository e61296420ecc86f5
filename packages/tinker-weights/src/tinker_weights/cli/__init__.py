"""The `tinker-weights` command."""
