"""Sampling replies from the model of a run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tinker
from attrs import field, frozen, validators

from tinker_core import CheckpointError, Message, Outcome
from tinker_render import Renderer, renderer_for
from tinker_sl.training import read_config
from tinker_train import connect, engine_errors, read_checkpoints
from tinker_train.run.directory import RunDirectory


@frozen(kw_only=True)
class Sampling:
    """How a reply is sampled."""

    max_tokens: int = field(default=256, validator=validators.ge(1))
    """Longest reply in tokens."""
    temperature: float = field(default=0.0, validator=validators.ge(0.0))
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


def sample_run(
    run_dir: Path,
    messages: Sequence[Message | Mapping[str, Any]],
    *,
    base: bool = False,
    sampling: Sampling | None = None,
) -> Outcome:
    """Sample a reply from the model of a run, or from its base model with `base=True`.

    Raises CheckpointError for a run without weights to sample from.
    """
    config = read_config(run_dir)
    model_path = None if base else sampler_path(run_dir)
    renderer = renderer_for(config.model, config.renderer)

    async def ask(service: tinker.ServiceClient) -> Outcome:
        with engine_errors(f"weights {model_path}" if model_path else f"model {config.model!r}"):
            sampler = await service.create_sampling_client(
                model_path=model_path, base_model=config.model if base else None
            )
        return await answer(sampler, renderer, messages, sampling or Sampling())

    with connect() as engine:
        return asyncio.run(ask(engine.service))


def sampler_path(run_dir: Path) -> str:
    """The `tinker://` path of a run's newest weights to sample from."""
    records = read_checkpoints(RunDirectory(run_dir).checkpoints_file)
    paths = [record.sampler_path for record in records if record.sampler_path is not None]
    if not paths:
        raise CheckpointError(
            f"{run_dir} has no weights to sample from: resume the run to its end first"
        )
    return paths[-1]
