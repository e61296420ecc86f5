"""Find an engine, connect to it, and make training clients."""
