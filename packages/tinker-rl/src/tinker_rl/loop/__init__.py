"""The training loop, and its three sources of groups: synchronous, streaming, asynchronous."""
