"""Running a task: prompts, sampling, retries, stored samples and the result."""
