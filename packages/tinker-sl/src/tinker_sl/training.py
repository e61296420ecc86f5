"""Training from a config: open the data, find an engine, run the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from tinker_core import EngineError, TokenizerError
from tinker_data import SupervisedData
from tinker_render import Renderer, renderer_for
from tinker_sl.config import Config
from tinker_sl.loop import supervised_loop
from tinker_train import (
    Engine,
    Existing,
    SamplingClientEvaluator,
    TrainResult,
    connect,
    read_run_config,
    run_training,
    training_run,
)


def train(config: Config, *, existing: Existing = "refuse") -> TrainResult:
    """Train from a config to its end; `existing="resume"` continues the run in its directory.

    Everything that can be checked without an engine is checked first, and the run directory is made
    only when there is a model to train. Raises what is in `tinker_core.errors`.
    """
    return run_training(config, _prepare, train_on, existing=existing)


def resume(run_dir: Path) -> TrainResult:
    """Continue the run in a directory with its own config; the directory may have moved."""
    return train(read_config(run_dir), existing="resume")


def read_config(run_dir: Path) -> Config:
    """The config of the run in a directory; raises RunDirectoryError or ConfigError."""
    return read_run_config(run_dir, Config)


async def train_on(
    engine: Engine,
    config: Config,
    data: SupervisedData | None = None,
    evaluators: Sequence[SamplingClientEvaluator] | None = None,
) -> TrainResult:
    """Train on a connected engine; data and evaluators are those of the config unless given."""
    data = open_data(config) if data is None else data
    evaluators = build_evaluators(config) if evaluators is None else evaluators
    async with training_run(engine, config) as (training, run):
        return await supervised_loop(config, training, data, run, evaluators)


def open_data(config: Config) -> SupervisedData:
    """The data of a config; raises DataError for what cannot be used."""
    return config.data.build(renderer=renderer_of(config), seed=config.seed)


def build_evaluators(config: Config) -> list[SamplingClientEvaluator]:
    """The evaluators of a config."""
    return [builder.build(renderer=renderer_of(config)) for builder in config.evaluators]


def renderer_of(config: Config) -> Renderer:
    """The renderer of a config.

    Raises ConfigError; for an unknown model, a TokenizerError that lists the engine's models.
    """
    try:
        return renderer_for(config.model, config.renderer)
    except TokenizerError as error:
        raise TokenizerError(f"{error}; {_models_of_engine()}") from error


def _models_of_engine() -> str:
    try:
        with connect() as engine:
            names = asyncio.run(engine.models()) if engine.models is not None else ()
            return f"{engine.description}, has {', '.join(names) or 'no models'}"
    except EngineError as error:
        return str(error)


def _prepare(config: Config) -> tuple[SupervisedData, list[SamplingClientEvaluator]]:
    return open_data(config), build_evaluators(config)
