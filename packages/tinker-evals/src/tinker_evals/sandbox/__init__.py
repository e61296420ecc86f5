"""Running a model's program in a child process with limits."""
