"""Training from a config: open the data, find an engine, compute the reference, run the loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import tinker
from attrs import evolve

from tinker_data import Position
from tinker_dpo.config import Config
from tinker_dpo.data.batches import iterate_batches, steps_per_epoch
from tinker_dpo.data.items import open_items
from tinker_dpo.data.rendering import RenderedResponse
from tinker_dpo.loop import LoopData, preference_loop, run_length
from tinker_dpo.reference.kl import KlToReference, prompt_of
from tinker_dpo.reference.logprobs import (
    FILE_NAME,
    ReferenceFile,
    compute_references,
    missing,
)
from tinker_render import Renderer, renderer_for
from tinker_train import (
    Algorithm,
    Run,
    SamplingClientEvaluator,
    TrainResult,
    create_training_client,
    load_training_client,
    start_training_client,
)

_SHOWN = 3  # skipped rows that are printed; all are counted


def open_data(config: Config, renderer: Renderer) -> LoopData:
    """The data of a config, each row rendered once; raises DataError for what cannot be used."""
    data = config.data.build(seed=config.seed)
    items = open_items(data.train, config.objective, renderer, config.selection)
    steps_per_epoch(items, config.batching)
    test, skipped = [], items.skipped
    if len(data.test):
        held_out = open_items(data.test, config.objective, renderer, config.selection)
        test = [held_out[i] for i in range(len(held_out))]
        skipped += held_out.skipped
    return LoopData(train=items, test=test, skipped=skipped, stop=renderer.get_stop_sequences())


async def train_against_reference(
    config: Config,
    training: tinker.TrainingClient,
    data: LoopData,
    run: Run,
    evaluators: Sequence[SamplingClientEvaluator] = (),
) -> TrainResult:
    """The preference loop, after the log-probabilities of the reference are computed."""
    _print_skipped(run, data)
    data, kl = await with_reference(config, data, run)
    return await preference_loop(config, training, data, run, [*evaluators, *kl])


async def with_reference(
    config: Config, data: LoopData, run: Run
) -> tuple[LoopData, list[SamplingClientEvaluator]]:
    """The data with the reference's log-probabilities, and an evaluator of the KL to the reference.

    Log-probabilities that are stored in the run directory are not computed again.
    """
    file = ReferenceFile(run.directory.path / FILE_NAME)
    prompts = [prompt_of(item.responses[0]) for item in data.test[: config.evaluation.kl_prompts]]
    known, first = None, None
    if config.objective.needs_reference:
        known = file.read()
        batches = missing(_responses(config, data), known)
        first = next(batches, None)
    if first is None and not prompts:
        return evolve(data, references=known), []

    model = await reference_client(run.service, config)
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


PREFERENCE = Algorithm(
    config=Config,
    renderer=lambda config: renderer_for(config.model, config.renderer),
    open_data=open_data,
    loop=train_against_reference,
)
train, resume = PREFERENCE.train, PREFERENCE.resume
train_on, read_config = PREFERENCE.train_on, PREFERENCE.read_config
