"""Runs that are stopped and resumed."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest
from attrs import define, field

from tinker_train import StopRequest


@define
class StopAfter:
    """A transform that changes nothing, and asks the run to stop at its `count`-th batch."""

    count: int
    stop: StopRequest = field(factory=StopRequest)
    trained: list[int] = field(factory=list)
    """The prompts of the groups that were trained on."""

    async def __call__(self, sequences: Any, groups_P: Any) -> Any:
        self.count -= 1
        if self.count == 0:
            self.stop.reason = "test"
        self.trained += [
            group.trajectories[0].transitions[0].observation.to_ints()[0] for group in groups_P
        ]
        return sequences, {}


@pytest.fixture
def stop_after() -> type[StopAfter]:
    return StopAfter


@pytest.fixture
def run_in_parts(bench: Any) -> Callable[..., list[int]]:
    """Stops a run after so many batches, each time, and resumes it; returns what was trained on."""

    def run(config: Any, groups: Any, counts: list[int]) -> list[int]:
        trained: list[int] = []
        for count in [*counts, 1000]:
            transform = StopAfter(count)
            result = bench.run(config, groups, stop=transform.stop, transforms=[transform])
            assert result.end == ("stopped" if count < 1000 else "complete")
            trained += transform.trained
        return trained

    return run


class Slow:
    """Delays each group for a random time, and counts the episodes of each."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.paid: dict[int, int] = {}

    async def __call__(self, arms: Any) -> None:
        self.paid[arms.prompt] = self.paid.get(arms.prompt, 0) + 1
        for _ in range(self.random.choice([0, 0, 0, 1, 5, 60])):
            await asyncio.sleep(0)


@pytest.fixture(scope="session")
def slow_group() -> type[Slow]:
    return Slow
