"""The frame of every loop: a run's folder held, its model made or loaded, its files open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import tinker

from tinker_train.checkpoint.record import last_checkpoint
from tinker_train.engine.connect import Engine
from tinker_train.engine.training_client import (
    Lora,
    Start,
    begin_training,
    load_training_client,
)
from tinker_train.log.trace import tracing
from tinker_train.loop.result import TrainResult
from tinker_train.report.page import write_report
from tinker_train.run.directory import RunDirectory
from tinker_train.run.lock import hold_run
from tinker_train.run.open import Run, open_run
from tinker_train.run.sinks import Reporting


class RunConfig(Protocol):
    """What the configs of all loops say of a run."""

    @property
    def run_dir(self) -> Path: ...
    @property
    def model(self) -> str: ...
    @property
    def lora(self) -> Lora: ...
    @property
    def start_from(self) -> str | None: ...
    @property
    def reporting(self) -> Reporting: ...
    @property
    def seed(self) -> int: ...


def start_of(config: RunConfig) -> Start:
    """What the config's run begins with."""
    return Start(
        model=config.model, lora=config.lora, seed=config.seed, start_from=config.start_from
    )


@asynccontextmanager
async def training_run(
    engine: Engine, config: RunConfig
) -> AsyncIterator[tuple[tinker.TrainingClient, Run]]:
    """The model and the run, new or as its last whole checkpoint left it.

    Nobody else works on the folder meanwhile, spans are traced, and what comes of it is in
    `report.html` at the end. Call `check_run_directory` first. Raises what `hold_run`,
    `open_training` and `open_run` raise.
    """
    with hold_run(config.run_dir):
        training = await open_training(engine.service, config.run_dir, start_of(config))
        with open_run(
            config.run_dir,
            config,
            engine=engine.description,
            seed=config.seed,
            reporting=config.reporting,
            forget=engine.forget,
        ) as run:
            run.console.say(engine.description)
            if run.resumed is not None:
                run.console.say(f"resuming {run.directory.path} after step {run.resumed.step}")
            with tracing(run.directory.trace_file):
                yield training, run
        write_report([config.run_dir], run.directory.report_file)


def say_end(run: Run, result: TrainResult) -> None:
    """The last line of a run."""
    run.console.end()
    run.console.say(f"{result.end} after {result.step} steps: {result.run_dir}")


async def open_training(
    service: tinker.ServiceClient, run_dir: Path, start: Start
) -> tinker.TrainingClient:
    """The model of the run's last checkpoint with its optimizer, or the one to begin with."""
    checkpoint = last_checkpoint(RunDirectory(run_dir).checkpoints_file)
    if checkpoint is not None and checkpoint.state_path is not None:
        return await load_training_client(service, checkpoint.state_path, optimizer=True)
    return await begin_training(service, start)
