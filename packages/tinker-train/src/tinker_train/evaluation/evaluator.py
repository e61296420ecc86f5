"""Measuring a model by sampling from a snapshot of it, beside training."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import tinker

from tinker_train.concurrency import task_group
from tinker_train.engine.errors import engine_errors
from tinker_train.log.trace import scope
from tinker_train.metrics.sink import Metrics

SamplingClientEvaluator = Callable[[tinker.SamplingClient], Awaitable[Metrics]]
"""Measures a model by sampling from it."""


async def ask_snapshot(
    snapshot: Awaitable[tinker.SamplingClient], evaluators: Sequence[SamplingClientEvaluator]
) -> Metrics:
    """What all of them say of a model that is still being saved."""
    with engine_errors("evaluation by sampling"):
        sampler = await snapshot
    return await ask_evaluators(sampler, evaluators)


async def ask_evaluators(
    sampler: tinker.SamplingClient, evaluators: Sequence[SamplingClientEvaluator]
) -> Metrics:
    """What all of them say, asked side by side; of two equal names the later one counts."""
    with engine_errors("evaluation by sampling"), scope("evaluate by sampling"):
        async with task_group() as tasks:
            results = [tasks.create_task(_call(each, sampler)) for each in evaluators]
    return {name: value for result in results for name, value in result.result().items()}


async def _call(evaluator: SamplingClientEvaluator, sampler: tinker.SamplingClient) -> Metrics:
    return await evaluator(sampler)
