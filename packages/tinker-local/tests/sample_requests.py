"""Sample requests for the tests of the sampler, and its oracle."""

from __future__ import annotations

import numpy as np

from tinker_local.request_types import Datum, SampleRequest

NO_STOP: frozenset[int] = frozenset()


def prompt(length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([7, abs(seed)]).integers(0, 256, length)


def sample(length: int = 6, seed: int = 0, **options) -> SampleRequest:
    return SampleRequest(
        **{
            "prompt": prompt(length, seed or 0),
            "max_tokens": 8,
            "stop_tokens": NO_STOP,
            "seed": seed,
            **options,
        }
    )


def tokens_of(result) -> list[list[int]]:
    return [sequence.tokens.tolist() for sequence in result.sequences]


def forward(trainer, request_of, tokens) -> np.ndarray:
    """The trainer's logprobs of tokens[1:]."""
    tokens = np.asarray(tokens, np.int64)
    data = Datum(tokens=tokens[:-1], inputs={"target_tokens": tokens[1:]})
    return trainer.loss(request_of(data, forward_only=True)).outputs[0]["logprobs"]
