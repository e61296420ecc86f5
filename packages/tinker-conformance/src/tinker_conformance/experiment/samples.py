"""Prompts and samples that the sampling checks have in common."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from tinker import types

from tinker_conformance.client.batch import make_datum
from tinker_conformance.client.sampler import Sampler
from tinker_conformance.client.server import Server
from tinker_conformance.client.trainer import Trainer
from tinker_conformance.experiment.sequences import PROBE, WARM, tokens
from tinker_conformance.experiment.twins import warm_trainer

PROMPT = tokens(6, 201)
TOKENS = "$.sequences[{index}].tokens"
SAMPLED = "np.array($.sequences[{index}].logprobs)"
REASON = "$.sequences[{index}].stop_reason"
ALL_TOKENS = "[s.tokens for s in $.sequences]"


def free(max_tokens: int, **options: object) -> types.SamplingParams:
    """Sampling that only `max_tokens` ends."""
    return types.SamplingParams(max_tokens=max_tokens, stop=[], **options)  # type: ignore[arg-type]


def greedy(max_tokens: int) -> types.SamplingParams:
    return free(max_tokens, temperature=0.0)


def trained_pair(server: Server) -> tuple[Trainer, Sampler]:
    """A model that differs clearly from its base, and a sampler of its weights."""
    trainer = warm_trainer(server)
    for _ in range(3):
        trainer.train((*WARM, *PROBE), types.AdamParams(learning_rate=2e-3))
    return trainer, server.snapshot(trainer)


def trainer_logprobs(trainer: Trainer, sequence: list[int]) -> NDArray[np.float64]:
    """The trainer's logprobs of sequence[1:]."""
    datum = make_datum(
        sequence[:-1], target_tokens=sequence[1:], weights=np.zeros(len(sequence) - 1)
    )
    return trainer.logprobs((datum,)).array
