"""The interface of metric sinks outside the run directory, such as TensorBoard.

A resume computes the steps after the last checkpoint again, and most of these services cannot take
back a row. So each sink says which step it lacks first, and gets the rows from that step on.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from attrs import frozen

from tinker_core import ConfigError
from tinker_train.metrics.sink import MetricSink


@frozen(kw_only=True)
class ReportedRun:
    """The identity of a run for external services."""

    path: Path
    run_id: str
    config: dict[str, Any]
    """The config as JSON data."""

    @property
    def name(self) -> str:
        """Name of the run directory."""
        return self.path.name


class ExternalSink(MetricSink, Protocol):
    """A metric sink that keeps its rows outside the run directory."""

    @property
    def first_step(self) -> int:
        """First step whose row it lacks."""
        ...


def import_package(name: str) -> Any:
    """An optional package; raises ConfigError, which says what to install."""
    try:
        return import_module(name)
    except ImportError as error:
        extra = name.partition(".")[0]
        raise ConfigError(f"logging to {extra} needs `pip install {extra}`") from error
