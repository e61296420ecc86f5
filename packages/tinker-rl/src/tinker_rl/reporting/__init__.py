"""Rollout metrics and transcripts."""
