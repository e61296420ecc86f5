"""Run checks in a process that can be killed, and report what they found."""
