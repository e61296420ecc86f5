"""From a config to a trained model: opens the data, finds an engine, asks the reference, runs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
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
from tinker_dpo.reference.logprobs import FILE_NAME, ReferenceFile, compute_references, missing
from tinker_render import Renderer, renderer_for
from tinker_train import (
    Engine,
    Existing,
    Run,
    TrainResult,
    begin_training,
    check_run_directory,
    connect,
    create_training_client,
    load_training_client,
    read_run_config,
    say_end,
    start_of,
    training_run,
    while_engine_lives,
)

_SHOWN = 3  # skipped rows that are named; all are counted


def train(config: Config, *, existing: Existing = "refuse") -> TrainResult:
    """Run the config to its end; with `existing="resume"`, go on with the run in its folder.

    Everything that can be found wrong without an engine is found first, and a run directory is made
    only when there is a model to train. Raises what is in `tinker_core.errors`.
    """
    check_run_directory(config.run_dir, config, existing)
    data = open_data(config, renderer_for(config.model, config.renderer))
    with connect() as engine:
        return asyncio.run(while_engine_lives(engine, train_on(engine, config, data)))


def resume(run_dir: Path) -> TrainResult:
    """Go on with the run in a folder, by the config that lies there; the folder may have moved."""
    return train(read_config(run_dir), existing="resume")


async def train_on(engine: Engine, config: Config, data: LoopData) -> TrainResult:
    """Run the loop on an engine that is connected, in a run directory that is new or taken up."""
    async with training_run(engine, config) as (training, run):
        _say_skipped(run, data)
        data = await with_reference(engine.service, config, data, run)
        result = await preference_loop(config, training, data, run)
        say_end(run, result)
    return result


def open_data(config: Config, renderer: Renderer) -> LoopData:
    """The config's data, each row rendered once; raises DataError for what cannot be used."""
    data = config.data.build(seed=config.seed)
    items = open_items(data.train, config.objective, renderer, config.selection)
    steps_per_epoch(items, config.batching)
    evaluators = [builder.build(renderer=renderer) for builder in config.evaluators]
    test, skipped = [], items.skipped
    if len(data.test):
        held_out = open_items(data.test, config.objective, renderer, config.selection)
        test = [held_out[i] for i in range(len(held_out))]
        skipped += held_out.skipped
    return LoopData(
        train=items,
        test=test,
        skipped=skipped,
        evaluators=evaluators,
        stop=renderer.get_stop_sequences(),
    )


async def with_reference(
    service: tinker.ServiceClient, config: Config, data: LoopData, run: Run
) -> LoopData:
    """The data with what the reference says of it: stored, or computed where it is not yet."""
    file = ReferenceFile(run.directory.path / FILE_NAME)
    prompts = [prompt_of(item.responses[0]) for item in data.test[: config.evaluation.kl_prompts]]
    known, first = None, None
    if needs_reference(config.objective):
        known = file.read()
        batches = missing(_responses(config, data), known)
        first = next(batches, None)
    if first is None and not prompts:
        return evolve(data, references=known)

    model = await reference_client(service, config)
    if first is not None and known is not None:
        run.console.say("asking the reference, once for the whole run")
        known |= await compute_references(model, chain([first], batches), file, run.stop)
    evaluators = list(data.evaluators)
    if prompts:
        params = tinker.SamplingParams(
            max_tokens=config.evaluation.kl_max_tokens,
            temperature=1.0,
            seed=config.seed,
            stop=data.stop,
        )
        evaluators.append(KlToReference(reference=model, prompts=prompts, params=params))
    return evolve(data, references=known, evaluators=evaluators)


async def reference_client(service: tinker.ServiceClient, config: Config) -> tinker.TrainingClient:
    """A model that stays as it is: the one that is named, or the policy as it was at its start.

    It is made anew from where the policy began, never from the policy, so that a resumed run has
    the same reference.
    """
    if config.reference is None:
        return await begin_training(service, start_of(config))
    if config.reference.startswith("tinker://"):
        return await load_training_client(service, config.reference, optimizer=False)
    return await create_training_client(service, config.reference, config.lora, seed=config.seed)


def read_config(run_dir: Path) -> Config:
    """The config of the run in a folder; raises RunDirectoryError or ConfigError."""
    return read_run_config(run_dir, Config)


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


def _say_skipped(run: Run, data: LoopData) -> None:
    if data.skipped:
        run.console.say(f"rows left out: {len(data.skipped)}")
        for error in data.skipped[:_SHOWN]:
            run.console.say(f"  {error}")
