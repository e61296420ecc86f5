"""The `tinker-local` command."""
