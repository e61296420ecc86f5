"""The frame of every training run, on which `train`, `resume` and `train_on` are built."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import tinker

from tinker_train.checkpoint.record import last_checkpoint
from tinker_train.engine.connect import Engine, connect
from tinker_train.engine.liveness import while_engine_lives
from tinker_train.engine.training_client import create_training_client, load_training_client
from tinker_train.evaluation.evaluator import SamplingClientEvaluator
from tinker_train.log.trace import tracing
from tinker_train.report.page import write_report
from tinker_train.run.config import RunConfig
from tinker_train.run.directory import RunDirectory
from tinker_train.run.lock import hold_run
from tinker_train.run.open import Existing, Run, check_run_directory, open_run
from tinker_train.run.result import TrainResult

C = TypeVar("C", bound=RunConfig)
D = TypeVar("D")

Prepare = Callable[[C], tuple[D, Sequence[SamplingClientEvaluator]]]
"""Builds the data and the evaluators of a config. It raises what can be found without an engine."""
TrainOn = Callable[
    [Engine, C, D, Sequence[SamplingClientEvaluator]], Coroutine[Any, Any, TrainResult]
]
"""Trains on a connected engine."""


def run_training(
    config: C, prepare: Prepare[C, D], train_on: TrainOn[C, D], *, existing: Existing
) -> TrainResult:
    """Train from a config to its end, on the engine that the environment names.

    Everything that can be checked without an engine is checked first, and the run directory is made
    only when there is a model to train. Raises what is in `tinker_core.errors`.
    """
    check_run_directory(config.run_dir, config, existing)
    data, evaluators = prepare(config)
    with connect() as engine:
        work = train_on(engine, config, data, evaluators)
        return asyncio.run(while_engine_lives(engine, work))


@asynccontextmanager
async def training_run(
    engine: Engine, config: RunConfig
) -> AsyncIterator[tuple[tinker.TrainingClient, Run]]:
    """The training client and the open run: a new one, or the one in `run_dir` at its checkpoint.

    The run directory is locked and calls are traced for the length of the block; `report.html` is
    written at its end. Call `check_run_directory` first. Raises RunDirectoryError if another
    process trains in the run directory, and EngineError for a model that cannot be had.
    """
    with hold_run(config.run_dir):
        training = await _training_client(engine.service, config)
        with open_run(
            config.run_dir,
            config,
            engine=engine.description,
            seed=config.seed,
            reporting=config.reporting,
            delete_checkpoint=engine.delete_checkpoint,
        ) as run:
            run.console.say(engine.description)
            if run.resumed is not None:
                run.console.say(f"resuming {run.directory.path} after step {run.resumed.step}")
            with tracing(run.directory.trace_file):
                yield training, run
        write_report([config.run_dir], run.directory.report_file)


async def start_training_client(
    service: tinker.ServiceClient, config: RunConfig
) -> tinker.TrainingClient:
    """The model before the run's first step: a new LoRA, or the weights of `start_from`."""
    if config.start_from is not None:
        return await load_training_client(service, config.start_from, optimizer=False)
    return await create_training_client(service, config.model, config.lora, seed=config.seed)


async def _training_client(
    service: tinker.ServiceClient, config: RunConfig
) -> tinker.TrainingClient:
    """The model of the run's last checkpoint with its optimizer, or a model to start with."""
    checkpoint = last_checkpoint(RunDirectory(config.run_dir).checkpoints_file)
    if checkpoint is not None and checkpoint.state_path is not None:
        return await load_training_client(service, checkpoint.state_path, optimizer=True)
    return await start_training_client(service, config)
