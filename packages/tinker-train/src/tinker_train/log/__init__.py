"""The console, the trace and the log tree of a run."""
