"""An open run: its directory, console, sinks, stop request and checkpoint to resume from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import tinker
from attrs import field, frozen

from tinker_train.checkpoint.record import CheckpointRecord
from tinker_train.engine.connect import Engine
from tinker_train.log.console import RunConsole
from tinker_train.metrics.external import ReportedRun
from tinker_train.metrics.reporting import Reporting, open_sinks
from tinker_train.metrics.rows import read_metrics
from tinker_train.metrics.sink import JsonlSink, MetricSinks
from tinker_train.run.description import check_same_config, create_run, read_description
from tinker_train.run.directory import RunDirectory, has_run, refuse_run
from tinker_train.run.lock import refuse_locked
from tinker_train.run.rewind import rewind
from tinker_train.run.stop_signal import StopRequest, stop_on_signals

Existing = Literal["refuse", "resume"]


@frozen(kw_only=True)
class Run:
    """An open run, as every loop gets it beside config, training client and data."""

    directory: RunDirectory
    console: RunConsole = field(factory=RunConsole)
    sinks: MetricSinks = field(factory=MetricSinks)
    stop: StopRequest = field(factory=StopRequest)
    engine: Engine | None = None
    """The engine that it runs on; None where a loop is run on clients alone."""
    resumed: CheckpointRecord | None = None
    """Checkpoint that the training client was made from; None for a new run."""
    metadata: Mapping[str, str] = field(factory=dict)
    """The facts of its training; stored with each checkpoint."""

    @property
    def service(self) -> tinker.ServiceClient:
        """The service client of the engine."""
        if self.engine is None:
            raise RuntimeError("this run has no engine: open it with training_run")
        return self.engine.service


def check_run_directory(path: Path, config: Any, existing: Existing) -> None:
    """Raise RunDirectoryError for a folder in which the run cannot start or be resumed."""
    refuse_locked(path)
    if existing == "refuse":
        refuse_run(path)
    elif has_run(path):
        check_same_config(path, config)


@contextmanager
def open_run(
    path: Path,
    config: Any,
    *,
    engine: str,
    seed: int,
    reporting: Reporting | None = None,
) -> Iterator[Run]:
    """Make the run directory, or rewind it to its last checkpoint, and open the sinks.

    Ctrl-C and SIGTERM request a stop while it is open. Call `check_run_directory` first.
    """
    resumed = None
    if has_run(path):
        directory = RunDirectory(path)
        resumed = rewind(directory)
    else:
        directory = create_run(path, config, engine=engine, seed=seed)
    console = RunConsole(log_file=directory.log_file)
    description = read_description(path)
    identity = ReportedRun(
        path=path,
        run_id=str(description.get("run_id", path.name)),
        config=description["config"],
    )
    rows = read_metrics(directory.metrics_file)
    external = open_sinks(reporting or Reporting(), identity, rows, console.say)
    sinks = MetricSinks((JsonlSink(directory.metrics_file), *external))
    try:
        with stop_on_signals() as stop:
            yield Run(
                directory=directory,
                console=console,
                sinks=sinks,
                stop=stop,
                resumed=resumed,
            )
    finally:
        console.end()
        sinks.close()
