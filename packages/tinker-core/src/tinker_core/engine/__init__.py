"""Finding an engine: its address, the local engine, proxies, and errors of the SDK."""
