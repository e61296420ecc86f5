"""Data sets of groups, and builders that read problems and prompts from files."""
