"""The result of a training run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from attrs import frozen

End = Literal["complete", "stopped"]
"""`complete`: all steps are done, or early stopping ended the run. `stopped`: on request."""


@frozen(kw_only=True)
class TrainResult:
    """The result of a training run."""

    run_dir: Path
    metrics: Mapping[str, float]
    """Last value of every metric."""
    step: int
    """Optimizer steps done."""
    state_path: str | None
    """Checkpoint to resume training from; a `tinker://` path."""
    sampler_path: str | None
    """Weights to sample from; a `tinker://` path."""
    end: End
    stop_signal: str | None = None
    """Name of the signal that stopped the run: SIGINT or SIGTERM."""
