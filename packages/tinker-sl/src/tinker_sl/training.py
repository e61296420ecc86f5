"""From a config to a trained model: opens the data, finds an engine, and runs the loop."""

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
    check_run_directory,
    connect,
    read_run_config,
    say_end,
    training_run,
    while_engine_lives,
)


def train(config: Config, *, existing: Existing = "refuse") -> TrainResult:
    """Run the config to its end; with `existing="resume"`, go on with the run in its folder.

    Everything that can be found wrong without an engine is found first, and a run directory is made
    only when there is a model to train. Raises what is in `tinker_core.errors`.
    """
    check_run_directory(config.run_dir, config, existing)
    renderer = renderer_of(config)
    data = config.data.build(renderer=renderer, seed=config.seed)
    evaluators = [builder.build(renderer=renderer) for builder in config.evaluators]
    with connect() as engine:
        work = train_on(engine, config, data, evaluators)
        return asyncio.run(while_engine_lives(engine, work))


def renderer_of(config: Config) -> Renderer:
    """How the run's chats become tokens.

    Raises ConfigError; a TokenizerError names the engine's models.
    """
    try:
        return renderer_for(config.model, config.renderer)
    except TokenizerError as error:
        raise TokenizerError(f"{error}; {_models_there()}") from error


def _models_there() -> str:
    try:
        with connect() as engine:
            names = asyncio.run(engine.models()) if engine.models is not None else ()
            return f"{engine.description}, has {', '.join(names) or 'no models'}"
    except EngineError as error:
        return str(error)


def resume(run_dir: Path) -> TrainResult:
    """Go on with the run in a folder, by the config that lies there; the folder may have moved."""
    return train(read_config(run_dir), existing="resume")


async def train_on(
    engine: Engine,
    config: Config,
    data: SupervisedData,
    evaluators: Sequence[SamplingClientEvaluator] = (),
) -> TrainResult:
    """Run the loop on an engine that is connected, in a run directory that is new or taken up."""
    async with training_run(engine, config) as (training, run):
        result = await supervised_loop(config, training, data, run, evaluators)
        say_end(run, result)
    return result


def read_config(run_dir: Path) -> Config:
    """The config of the run in a folder; raises RunDirectoryError or ConfigError."""
    return read_run_config(run_dir, Config)
