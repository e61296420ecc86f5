"""Training from a config: build the data, find an engine, run the loop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tinker

from tinker_render import Renderer, get_tokenizer, renderer_for
from tinker_rl.config import Config
from tinker_rl.data.dataset import ModelRLDatasetBuilder, RLData
from tinker_rl.loop.rl_loop import Clients, rl_loop
from tinker_rl.update.advantage_transform import AdvantageTransform
from tinker_rl.update.distillation import PromptSwap, PullToTeachers, Teacher, check_same_format
from tinker_rl.update.kl_penalty import PullToReference
from tinker_train import (
    Engine,
    Existing,
    SamplingClientEvaluator,
    TrainResult,
    engine_errors,
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
    """Continue the run in a directory with its own config. The directory may have moved."""
    return train(read_config(run_dir), existing="resume")


def read_config(run_dir: Path) -> Config:
    """The config of the run in a directory. Raises RunDirectoryError or ConfigError."""
    return read_run_config(run_dir, Config)


async def train_on(
    engine: Engine,
    config: Config,
    data: RLData | None = None,
    evaluators: Sequence[SamplingClientEvaluator] | None = None,
    transforms: Sequence[AdvantageTransform] = (),
) -> TrainResult:
    """Train on a connected engine. Data and evaluators are those of the config unless given."""
    data = await _build_data(engine.service, config) if data is None else data
    evaluators = build_evaluators(config) if evaluators is None else evaluators
    tokenizer = get_tokenizer(config.model)
    async with training_run(engine, config) as (training, run):
        clients = Clients(
            training=training,
            transforms=[*transforms, *await _transforms(engine.service, config)],
            evaluators=evaluators,
            decode=lambda tokens: str(tokenizer.decode(list(tokens))),
        )
        return await rl_loop(config, clients, data, run)


def renderer_of(config: Config) -> Renderer:
    """The renderer of a config. Raises ConfigError for a teacher that would see other tokens."""
    student = renderer_for(config.model, config.renderer)
    for teacher in config.distillation.teachers if config.distillation else ():
        check_same_format(student, renderer_for(teacher.model, teacher.renderer))
    return student


def build_evaluators(config: Config) -> list[SamplingClientEvaluator]:
    """The evaluators of a config."""
    return [builder.build(renderer=renderer_of(config)) for builder in config.evaluators]


def _prepare(config: Config) -> tuple[RLData | None, list[SamplingClientEvaluator]]:
    """Data that needs no engine, and the evaluators."""
    renderer = renderer_of(config)
    data = None
    if not isinstance(config.data, ModelRLDatasetBuilder):
        data = config.data.build(renderer=renderer, seed=config.seed)
    return data, build_evaluators(config)


async def _build_data(service: tinker.ServiceClient, config: Config) -> RLData:
    """The data of a config. Raises EngineError for a model of the environments that is missing."""
    builder, renderer = config.data, renderer_of(config)
    if isinstance(builder, ModelRLDatasetBuilder):
        with engine_errors("the models of the environments"):
            return await builder.build_on(service, renderer=renderer, seed=config.seed)
    return builder.build(renderer=renderer, seed=config.seed)


async def _transforms(service: tinker.ServiceClient, config: Config) -> list[AdvantageTransform]:
    transforms: list[AdvantageTransform] = []
    if (penalty := config.kl_penalty) is not None:
        client = await _sampling_client(service, config.model, penalty.reference)
        transforms.append(PullToReference(client, penalty))
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
        transforms.append(
            PullToTeachers(
                by_tag=by_tag,
                coefficient=distillation.coefficient,
                discount=distillation.discount,
            )
        )
    return transforms


async def _sampling_client(
    service: tinker.ServiceClient, model: str, checkpoint: str | None
) -> tinker.SamplingClient:
    with engine_errors(f"sampler of {checkpoint or model}"):
        client: tinker.SamplingClient = await service.create_sampling_client(
            model_path=checkpoint, base_model=None if checkpoint else model
        )
    return client
