"""The policy update: trajectories to training sequences, advantages, losses, optimizer steps."""
