"""Training from a config: `train`, `resume`, `train_on` and `read_config`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import tinker
from attrs import evolve

from tinker_render import Renderer, get_tokenizer, renderer_for, renderer_name_for
from tinker_rl.config import Config
from tinker_rl.data.dataset import ModelRLDatasetBuilder, RLData
from tinker_rl.loop.rl_loop import Clients, rl_loop
from tinker_rl.update.advantage_transform import AdvantageTransform
from tinker_rl.update.distillation import PromptSwap, PullToTeachers, Teacher, check_same_format
from tinker_rl.update.kl_penalty import PullToReference
from tinker_train import (
    Algorithm,
    Engine,
    Run,
    SamplingClientEvaluator,
    TrainResult,
    engine_errors,
    read_metadata,
    trained_renderer,
)

Data = RLData | ModelRLDatasetBuilder
"""The data of a run, or the builder that makes it on the engine."""


def renderer_of(config: Config) -> Renderer:
    """The renderer of a config. Raises ConfigError for a teacher that would see other tokens."""
    student = renderer_for(config.model, config.renderer)
    for teacher in config.distillation.teachers if config.distillation else ():
        check_same_format(student, renderer_for(teacher.model, teacher.renderer))
    return student


def open_data(config: Config, renderer: Renderer) -> Data:
    """The data of a config; its builder, if its environments use models."""
    if isinstance(config.data, ModelRLDatasetBuilder):
        return config.data
    return config.data.build(renderer=renderer, seed=config.seed)


async def build_on_engine(config: Config, data: Data, service: tinker.ServiceClient) -> RLData:
    """Build data whose environments use models. Raises EngineError for a model that is missing."""
    if isinstance(data, RLData):
        return data
    with engine_errors("the models of the environments"):
        return await data.build_on(service, renderer=renderer_of(config), seed=config.seed)


async def train_policy(
    config: Config,
    training: tinker.TrainingClient,
    data: Data,
    run: Run,
    evaluators: Sequence[SamplingClientEvaluator] = (),
    transforms: Sequence[AdvantageTransform] = (),
) -> TrainResult:
    """The loop, with the advantage transforms of the config after the ones given."""
    tokenizer = get_tokenizer(config.model)
    clients = Clients(
        training=training,
        transforms=[*transforms, *await _transforms(run.service, config)],
        evaluators=evaluators,
        decode=lambda tokens: str(tokenizer.decode(list(tokens))),
    )
    return await rl_loop(config, clients, await build_on_engine(config, data, run.service), run)


async def train_on(
    engine: Engine,
    config: Config,
    data: RLData | None = None,
    evaluators: Sequence[SamplingClientEvaluator] | None = None,
    transforms: Sequence[AdvantageTransform] = (),
) -> TrainResult:
    """Train on a connected engine. Data and evaluators are those of the config unless given."""
    algorithm = evolve(REINFORCEMENT, loop=partial(train_policy, transforms=transforms))
    return await algorithm.train_on(engine, config, data, evaluators)


async def _transforms(service: tinker.ServiceClient, config: Config) -> list[AdvantageTransform]:
    transforms: list[AdvantageTransform] = []
    if (penalty := config.kl_penalty) is not None:
        spoken = renderer_name_for(config.model, config.renderer)
        client = await _sampling_client(service, config.model, penalty.reference, spoken)
        transforms.append(PullToReference(client, penalty))
    if (distillation := config.distillation) is not None:
        renderer = renderer_of(config)
        by_tag = {
            teacher.tag: Teacher(
                await _sampling_client(
                    service,
                    teacher.model,
                    teacher.checkpoint,
                    renderer_name_for(teacher.model, teacher.renderer),
                ),
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
    service: tinker.ServiceClient, model: str, checkpoint: str | None, renderer: str
) -> tinker.SamplingClient:
    """A model that will see the tokens of `renderer`; warns if it was trained with another one."""
    if checkpoint is not None:
        trained_renderer(await read_metadata(service, checkpoint), checkpoint, renderer)
    with engine_errors(f"sampler of {checkpoint or model}"):
        client: tinker.SamplingClient = await service.create_sampling_client(
            model_path=checkpoint, base_model=None if checkpoint else model
        )
    return client


REINFORCEMENT: Algorithm[Config, Data] = Algorithm(
    config=Config,
    renderer=renderer_of,
    renderer_name=lambda config: renderer_name_for(config.model, config.renderer),
    open_data=open_data,
    loop=train_policy,
    complete_data=build_on_engine,
)
train, resume, read_config = REINFORCEMENT.train, REINFORCEMENT.resume, REINFORCEMENT.read_config
