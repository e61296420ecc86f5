"""Rollouts: sample the episodes of a group and turn them into trajectories."""
