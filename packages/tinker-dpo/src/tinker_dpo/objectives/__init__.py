"""Preference objectives and their losses."""
