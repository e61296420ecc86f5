"""Training from a config: open the data, find an engine, compute the reference, run the loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import tinker
from attrs import evolve

from tinker_data import Position
from tinker_dpo.config import Config
from tinker_dpo.data.batches import iterate_batches, steps_per_epoch
from tinker_dpo.data.items import open_items
from tinker_dpo.data.rendering import RenderedResponse
from tinker_dpo.loop import LoopData, preference_loop, run_length
from tinker_dpo.objectives.objective import needs_reference
from tinker_dpo.reference.kl import KlToReference, prompt_of
from tinker_dpo.reference.logprobs import (
    FILE_NAME,
    ReferenceFile,
    compute_references,
    missing,
)
from tinker_render import Renderer, renderer_for
from tinker_train import (
    Engine,
    Existing,
    Run,
    SamplingClientEvaluator,
    TrainResult,
    create_training_client,
    load_training_client,
    read_run_config,
    run_training,
    start_training_client,
    training_run,
)

_SHOWN = 3  # skipped rows that are printed; all are counted


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
    data: LoopData | None = None,
    evaluators: Sequence[SamplingClientEvaluator] | None = None,
) -> TrainResult:
    """Train on a connected engine; data and evaluators are those of the config unless given."""
    data = open_data(config) if data is None else data
    evaluators = build_evaluators(config) if evaluators is None else evaluators
    async with training_run(engine, config) as (training, run):
        _print_skipped(run, data)
        data, kl = await with_reference(engine.service, config, data, run)
        return await preference_loop(config, training, data, run, [*evaluators, *kl])


def open_data(config: Config, renderer: Renderer | None = None) -> LoopData:
    """The data of a config, each row rendered once; raises DataError for what cannot be used.

    The renderer is that of the config unless given.
    """
    renderer = renderer or renderer_for(config.model, config.renderer)
    data = config.data.build(seed=config.seed)
    items = open_items(data.train, config.objective, renderer, config.selection)
    steps_per_epoch(items, config.batching)
    test, skipped = [], items.skipped
    if len(data.test):
        held_out = open_items(data.test, config.objective, renderer, config.selection)
        test = [held_out[i] for i in range(len(held_out))]
        skipped += held_out.skipped
    return LoopData(train=items, test=test, skipped=skipped, stop=renderer.get_stop_sequences())


def build_evaluators(config: Config) -> list[SamplingClientEvaluator]:
    """The evaluators of a config."""
    return [
        builder.build(renderer=renderer_for(config.model, config.renderer))
        for builder in config.evaluators
    ]


def _prepare(config: Config) -> tuple[LoopData, list[SamplingClientEvaluator]]:
    return open_data(config), build_evaluators(config)


async def with_reference(
    service: tinker.ServiceClient, config: Config, data: LoopData, run: Run
) -> tuple[LoopData, list[SamplingClientEvaluator]]:
    """The data with the reference's log-probabilities, and an evaluator of the KL to the reference.

    Log-probabilities that are stored in the run directory are not computed again.
    """
    file = ReferenceFile(run.directory.path / FILE_NAME)
    prompts = [prompt_of(item.responses[0]) for item in data.test[: config.evaluation.kl_prompts]]
    known, first = None, None
    if needs_reference(config.objective):
        known = file.read()
        batches = missing(_responses(config, data), known)
        first = next(batches, None)
    if first is None and not prompts:
        return evolve(data, references=known), []

    model = await reference_client(service, config)
    if first is not None and known is not None:
        run.console.say("computing the reference, once for the whole run")
        known |= await compute_references(model, chain([first], batches), file, run.stop)
    data = evolve(data, references=known)
    if not prompts:
        return data, []
    params = tinker.SamplingParams(
        max_tokens=config.evaluation.kl_max_tokens,
        temperature=1.0,
        seed=config.seed,
        stop=data.stop,
    )
    return data, [KlToReference(reference=model, prompts=prompts, params=params)]


async def reference_client(service: tinker.ServiceClient, config: Config) -> tinker.TrainingClient:
    """The frozen reference: the model that the config names, or the policy before its first step.

    It is never made from the trained policy, so a resumed run has the same reference.
    """
    if config.reference is None:
        return await start_training_client(service, config)
    if config.reference.startswith("tinker://"):
        return await load_training_client(service, config.reference, optimizer=False)
    return await create_training_client(service, config.reference, config.lora, seed=config.seed)


def _responses(config: Config, data: LoopData) -> Iterator[list[RenderedResponse]]:
    """What the run will ask the reference of, in batches of the size of a step."""
    size = config.batching.batch_size
    for start in range(0, len(data.test), size):
        yield [r for item in data.test[start : start + size] for r in item.responses]
    if run_length(config, data.train) < steps_per_epoch(data.train, config.batching):
        batches = iterate_batches(data.train, config.batching, seed=config.seed, start=Position())
        for _ in range(run_length(config, data.train)):
            yield [r for item in next(batches).items for r in item.responses]
        return
    for start in range(0, len(data.train), size):
        chosen = range(start, min(start + size, len(data.train)))
        yield [r for i in chosen for r in data.train[i].responses]


def _print_skipped(run: Run, data: LoopData) -> None:
    if data.skipped:
        run.console.say(f"rows left out: {len(data.skipped)}")
        for error in data.skipped[:_SHOWN]:
            run.console.say(f"  {error}")
