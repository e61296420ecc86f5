"""The way to an engine, for every package that needs one: its address, and its errors."""
