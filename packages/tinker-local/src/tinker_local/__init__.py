"""The embedded engine: a Tinker API server with LoRA training and sampling, on one machine."""

from tinker_local.child_process import EngineStartError, LocalEngine, start_engine

__all__ = ["EngineStartError", "LocalEngine", "start_engine"]
