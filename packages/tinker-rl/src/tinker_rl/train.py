"""From a config to a trained model: builds the data, finds an engine, and runs the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import tinker

from tinker_render import Renderer, get_tokenizer, renderer_for
from tinker_rl.config import Asynchronous, Config, Streaming, Synchronous
from tinker_rl.data.dataset import ModelRLDatasetBuilder, RLData
from tinker_rl.loops.asynchronous import asynchronous_loop
from tinker_rl.loops.loop import Clients
from tinker_rl.loops.streaming import streaming_loop
from tinker_rl.loops.synchronous import synchronous_loop
from tinker_rl.update.distillation import PromptSwap, Teacher, Teachers, check_same_format
from tinker_rl.update.kl_penalty import Reference
from tinker_rl.update.optimizer_step import Shaper
from tinker_train import (
    Engine,
    Existing,
    Run,
    SamplingClientEvaluator,
    TrainResult,
    check_run_directory,
    connect,
    engine_errors,
    read_run_config,
    say_end,
    training_run,
    while_engine_lives,
)


def train(
    config: Config,
    *,
    existing: Existing = "refuse",
    evaluators: Sequence[SamplingClientEvaluator] = (),
) -> TrainResult:
    """Run the config to its end; with `existing="resume"`, go on with the run in its folder.

    Everything that can be found wrong without an engine is found first, and a run directory is made
    only when there is a model to train. Raises what is in `tinker_core.errors`.
    """
    check_run_directory(config.run_dir, config, existing)
    renderer = renderer_of(config)
    data = None
    if not isinstance(config.data, ModelRLDatasetBuilder):
        data = config.data.build(renderer=renderer, seed=config.seed)
    with connect() as engine:
        work = train_on(engine, config, data, evaluators)
        return asyncio.run(while_engine_lives(engine, work))


def resume(run_dir: Path) -> TrainResult:
    """Go on with the run in a folder, by the config that lies there; the folder may have moved."""
    return train(read_config(run_dir), existing="resume")


async def train_on(
    engine: Engine,
    config: Config,
    data: RLData | None = None,
    evaluators: Sequence[SamplingClientEvaluator] = (),
    shapers: Sequence[Shaper] = (),
) -> TrainResult:
    """Run the loop on an engine that is connected, in a run directory that is new or taken up.

    Without `data`, on what the config's builder makes.
    """
    if data is None:
        data = await _build_data(engine.service, config)
    tokenizer = get_tokenizer(config.model)
    async with training_run(engine, config) as (training, run):
        clients = Clients(
            training=training,
            shapers=[*shapers, *await _shapers(engine.service, config)],
            evaluators=evaluators,
            decode=lambda tokens: str(tokenizer.decode(list(tokens))),
        )
        result = await run_loop(config, clients, data, run)
        say_end(run, result)
    return result


async def _build_data(service: tinker.ServiceClient, config: Config) -> RLData:
    """The config's data; raises EngineError where a model that they need cannot be had."""
    builder, renderer = config.data, renderer_of(config)
    if isinstance(builder, ModelRLDatasetBuilder):
        with engine_errors("the models of the environments"):
            return await builder.build_on(service, renderer=renderer, seed=config.seed)
    return builder.build(renderer=renderer, seed=config.seed)


async def run_loop(config: Config, clients: Clients, data: RLData, run: Run) -> TrainResult:
    """The loop that the config's mode names."""
    match config.mode:
        case Synchronous():
            return await synchronous_loop(config, clients, data, run)
        case Streaming():
            return await streaming_loop(config, clients, data, run, config.mode)
        case Asynchronous():
            return await asynchronous_loop(config, clients, data, run, config.mode)


def read_config(run_dir: Path) -> Config:
    """The config of the run in a folder; raises RunDirectoryError or ConfigError."""
    return read_run_config(run_dir, Config)


def renderer_of(config: Config) -> Renderer:
    """The renderer that the config names, or the one that its model was made with.

    Raises ConfigError for a teacher that would see other tokens than the student does.
    """
    student = renderer_for(config.model, config.renderer)
    for teacher in config.distillation.teachers if config.distillation else ():
        check_same_format(student, renderer_for(teacher.model, teacher.renderer))
    return student


async def _shapers(service: tinker.ServiceClient, config: Config) -> list[Shaper]:
    shapers: list[Shaper] = []
    if (penalty := config.kl_penalty) is not None:
        client = await _sampling_client(service, config.model, penalty.reference)
        shapers.append(Reference(client, penalty))
    if (distillation := config.distillation) is not None:
        renderer = renderer_of(config)
        by_tag = {
            teacher.tag: Teacher(
                await _sampling_client(service, teacher.model, teacher.checkpoint),
                PromptSwap()
                if teacher.system is None
                else PromptSwap.by_system_prompt(renderer, teacher.system),
            )
            for teacher in distillation.teachers
        }
        shapers.append(
            Teachers(
                by_tag=by_tag,
                coefficient=distillation.coefficient,
                discount=distillation.discount,
            )
        )
    return shapers


async def _sampling_client(
    service: tinker.ServiceClient, model: str, checkpoint: str | None
) -> tinker.SamplingClient:
    with engine_errors(f"sampler of {checkpoint or model}"):
        client: tinker.SamplingClient = await service.create_sampling_client(
            model_path=checkpoint, base_model=None if checkpoint else model
        )
    return client
