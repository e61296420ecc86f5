"""Advantage transforms: change the advantages of a batch token by token, as a KL penalty does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import numpy as np
import tinker

from tinker_core import EngineError
from tinker_rl.trajectory import TrajectoryGroup
from tinker_rl.update.training_sequence import Floats, TrainingSequence, model_input
from tinker_train import Metrics, engine_errors

Transformed = tuple[Sequence[TrainingSequence], Metrics]
AdvantageTransform = Callable[
    [Sequence[TrainingSequence], Sequence[TrajectoryGroup]], Awaitable[Transformed]
]
"""Takes the sequences of a batch and its groups, which `TrainingSequence.group` counts. Returns the
sequences with new advantages, and metrics."""


async def logprobs_under(client: tinker.SamplingClient, sequence: TrainingSequence) -> Floats:
    """Logprobs of the S sampled tokens under a model, shape (S,). Raises EngineError."""
    with engine_errors(f"compute_logprobs of {len(sequence.tokens)} tokens"):
        found = await client.compute_logprobs(model_input(sequence))
    logprobs_T = np.array([np.nan if value is None else value for value in found])
    if (
        len(logprobs_T) != len(sequence.tokens)
        or not np.isfinite(logprobs_T[sequence.sampled]).all()
    ):
        raise EngineError(
            f"compute_logprobs returned {len(found)} logprobs for {len(sequence.tokens)} tokens, "
            "or a sampled token has no finite one"
        )
    return logprobs_T[sequence.sampled]


def mean_log_ratio(sequences: Sequence[TrainingSequence], other_D: Sequence[Floats]) -> float:
    """Mean of log policy - log other over the sampled tokens: k1 of KL(policy || other)."""
    log_ratios = [
        sequence.sampled_logprobs - other_S
        for sequence, other_S in zip(sequences, other_D, strict=True)
    ]
    return float(np.concatenate(log_ratios).mean()) if log_ratios else 0.0
