"""Sampling replies from the model of a run or a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tinker
from attrs import field, frozen, validators

from tinker_core import Message, Outcome
from tinker_core.validators import non_negative
from tinker_render import Renderer, renderer_for
from tinker_train import engine_errors, open_trained_model, run_on_engine


@frozen(kw_only=True)
class Sampling:
    """Sampling settings of a reply."""

    max_tokens: int = field(default=256, validator=validators.ge(1))
    """Longest reply in tokens."""
    temperature: float = field(default=0.0, validator=non_negative)
    """0 takes the most probable token."""
    seed: int | None = None
    """Makes sampling repeatable."""


async def answer(
    sampler: tinker.SamplingClient,
    renderer: Renderer,
    messages: Sequence[Message | Mapping[str, Any]],
    sampling: Sampling,
) -> Outcome:
    """Sample the next message of a conversation."""
    params = tinker.SamplingParams(
        max_tokens=sampling.max_tokens,
        temperature=sampling.temperature,
        seed=sampling.seed,
        stop=renderer.get_stop_sequences(),
    )
    with engine_errors("sample"):
        response = await sampler.sample(renderer.build_generation_prompt(messages), 1, params)
    return renderer.parse_response(response.sequences[0].tokens)


@frozen(kw_only=True)
class SampledReply:
    """A reply, and the model that gave it."""

    outcome: Outcome
    model: str
    """One line: which checkpoint or base model it is."""


def sample_run(
    source: str | Path,
    messages: Sequence[Message | Mapping[str, Any]],
    *,
    step: int | None = None,
    renderer: str | None = None,
    base: bool = False,
    sampling: Sampling | None = None,
) -> SampledReply:
    """Sample a reply from the model of a run, which may be going on, or of a `tinker://` path.

    Of a run, it is the newest checkpoint or that of a step. The renderer is that of the training
    unless another is given, which is warned about. `base=True` asks the base model instead. Raises
    CheckpointError for a run without weights to sample from.
    """

    async def ask(service: tinker.ServiceClient) -> SampledReply:
        model = await open_trained_model(service, source, step=step, renderer=renderer)
        client, description = model.client, model.description
        if base:
            description = f"base model {model.base_model}"
            with engine_errors(description):
                client = await service.create_sampling_client(base_model=model.base_model)
        spoken = renderer_for(model.base_model, model.renderer)
        outcome = await answer(client, spoken, messages, sampling or Sampling())
        return SampledReply(outcome=outcome, model=description)

    instead = "`answer` with a sampling client"
    return run_on_engine(lambda engine: ask(engine.service), instead=instead)
