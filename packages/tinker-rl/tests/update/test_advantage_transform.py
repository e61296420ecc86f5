"""Logprobs under another model."""

import asyncio
from typing import Any

import pytest

from tinker_core import EngineError
from tinker_rl import training_sequences
from tinker_rl.update.advantage_transform import logprobs_under


class Short:
    """Gives too few numbers."""

    def compute_logprobs(self, prompt: Any) -> Any:
        return asyncio.sleep(0, [None, -1.0])


def test_an_engine_that_gives_too_few_numbers_is_told_so(turn: Any, trajectory: Any) -> None:
    (sequence,) = training_sequences(trajectory(turn([1], [2, 3])), [0.5])
    client: Any = Short()
    with pytest.raises(EngineError, match="2 logprobs for 3 tokens"):
        asyncio.run(logprobs_under(client, sequence))
