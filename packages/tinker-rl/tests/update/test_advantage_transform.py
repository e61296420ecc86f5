"""Logprobs under another model."""

import asyncio
from typing import Any

import pytest
from attrs import frozen

from tinker_core import EngineError
from tinker_rl import training_sequences
from tinker_rl.update.advantage_transform import logprobs_under


@frozen
class Gives:
    """Gives these numbers."""

    found: list[float | None]

    def compute_logprobs(self, prompt: Any) -> Any:
        return asyncio.sleep(0, self.found)


def test_an_engine_that_gives_too_few_or_infinite_numbers_is_told_so(
    turn: Any, trajectory: Any
) -> None:
    (sequence,) = training_sequences(trajectory(turn([1], [2, 3])), [0.5])
    for found in ([None, -1.0], [None, -1.0, None], [None, float("-inf"), -1.0]):
        client: Any = Gives(found)
        with pytest.raises(EngineError, match=f"{len(found)} logprobs for 3 tokens"):
            asyncio.run(logprobs_under(client, sequence))
