"""The console, the trace of spans, and log trees."""
