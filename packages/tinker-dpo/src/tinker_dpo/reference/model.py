"""The frozen reference model, and what a run needs of it before its first step."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

import tinker
from attrs import evolve

from tinker_data import Position
from tinker_dpo.config import Config
from tinker_dpo.data.batches import iterate_batches
from tinker_dpo.data.rendering import RenderedResponse
from tinker_dpo.loop import LoopData, run_length
from tinker_dpo.reference.kl import KlToReference, prompt_of
from tinker_dpo.reference.logprobs import (
    FILE_NAME,
    ReferenceFile,
    compute_references,
    missing,
)
from tinker_train import (
    Run,
    SamplingClientEvaluator,
    create_training_client,
    load_training_client,
    start_training_client,
)


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
    """The responses that the run compares with the reference, in batches of the size of a step."""
    size = config.batching.batch_size
    for start in range(0, len(data.test), size):
        yield [r for item in data.test[start : start + size] for r in item.responses]
    if run_length(config, data) < data.order.steps_per_epoch:
        batches = iterate_batches(data.train, data.order, Position())
        for batch in islice(batches, run_length(config, data)):
            yield [r for item in batch.items for r in item.responses]
        return
    for start in range(0, len(data.train), size):
        chosen = range(start, min(start + size, len(data.train)))
        yield [r for i in chosen for r in data.train[i].responses]
