"""The training loops: synchronous, streaming and asynchronous."""
