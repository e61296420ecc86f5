"""The pull towards a reference, token by token, by hand."""

import asyncio
from typing import Any

import numpy as np
import pytest

from tinker_core.testing import BigramSamplingClient
from tinker_rl import (
    KLPenalty,
    PullToReference,
    training_sequences,
)


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


def test_a_kl_penalty_holds_the_policy_to_its_reference(bench: Any, arms: Any) -> None:
    groups = [arms(size=16)] * 40
    free = bench.config(run_dir=bench.folder / "free")
    bench.run(free, groups)
    unheld = bench.training.model.logprobs()[1, 3]
    penalty = KLPenalty(coefficient=1.0)
    reference = bench.service.create_sampling_client(base_model="bigram").result()
    held = bench.config(run_dir=bench.folder / "held", kl_penalty=penalty)
    bench.run(held, groups, transforms=[PullToReference(reference, penalty)])
    # the optimum of E[r] - KL(p || uniform) is p ~ exp(r): e / (e + 15)
    assert np.exp(bench.training.model.logprobs()[1, 3]) == pytest.approx(
        np.e / (np.e + 15), abs=0.12
    )
    assert np.exp(unheld) > 0.9
    assert bench.metrics(held)[0]["kl_policy_reference"] == pytest.approx(0.0, abs=1e-6)
    assert bench.metrics(held)[-1]["kl_policy_reference"] > 0
