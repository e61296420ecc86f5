"""How a run ended."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from attrs import frozen

from tinker_train.loop.moment import Moment
from tinker_train.loop.recorder import Recorder
from tinker_train.metrics.sink import last_values, read_metrics
from tinker_train.run.open import Run


@frozen(kw_only=True)
class TrainResult:
    """What a loop gives back."""

    run_dir: Path
    metrics: Mapping[str, float]
    """The last value of every metric."""
    step: int
    """Optimizer steps done."""
    state_path: str | None
    """To go on training from; a `tinker://` path."""
    sampler_path: str | None
    """To sample from; a `tinker://` path."""
    end: Literal["complete", "stopped"]


def result_of(run: Run, recorder: Recorder, moment: Moment) -> TrainResult:
    """The result of a run whose loop left at this moment, everything written down."""
    checkpoint = recorder.last_checkpoint or run.resumed
    return TrainResult(
        run_dir=run.directory.path,
        metrics=last_values(read_metrics(run.directory.metrics_file)),
        step=moment.now.step,
        state_path=None if checkpoint is None else checkpoint.state_path,
        sampler_path=None if checkpoint is None else checkpoint.sampler_path,
        end="stopped" if moment.stopped else "complete",
    )
