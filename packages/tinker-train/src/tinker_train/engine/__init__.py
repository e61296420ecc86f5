"""Engines: connect, watch a local engine, and make training clients."""
