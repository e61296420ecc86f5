"""Data sets of groups, and builders that read them from files."""
