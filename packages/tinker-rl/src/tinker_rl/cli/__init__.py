"""The `tinker-rl` command, and the command line of a training script."""
