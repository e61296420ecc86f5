"""The pull towards a reference, token by token, by hand."""

import asyncio
from typing import Any

import numpy as np
import pytest

from tinker_core import EngineError
from tinker_core.testing import BigramSamplingClient
from tinker_rl import KLPenalty, PullToReference, training_sequences
from tinker_rl.update.advantage_transform import logprobs_under


def test_tokens_the_reference_likes_less_lose_and_the_mean_stays(
    turn: Any, trajectory: Any
) -> None:
    # sampled 2 and 3 with logprobs -0.02 and -0.03; the reference gives -1.02 and -0.03
    table = np.zeros((4, 4))
    table[1, 2], table[2, 3] = -1.02, -0.03
    (sequence,) = training_sequences(trajectory(turn([1], [2, 3])), [0.5])
    reference = PullToReference(BigramSamplingClient(table), KLPenalty(coefficient=0.1))
    (shaped,), metrics = asyncio.run(reference([sequence], []))
    # gaps 1 and 0, so -0.1 and 0, less their mean of -0.05
    assert shaped.advantages.tolist() == pytest.approx([0.0, 0.5 - 0.05, 0.5 + 0.05])
    assert metrics["kl_policy_reference"] == pytest.approx(0.5)


class Short:
    """Gives too few numbers."""

    def compute_logprobs(self, prompt: Any) -> Any:
        return asyncio.sleep(0, [None, -1.0])


def test_an_engine_that_gives_too_few_numbers_is_told_so(turn: Any, trajectory: Any) -> None:
    (sequence,) = training_sequences(trajectory(turn([1], [2, 3])), [0.5])
    client: Any = Short()
    with pytest.raises(EngineError, match="2 logprobs for 3 tokens"):
        asyncio.run(logprobs_under(client, sequence))
