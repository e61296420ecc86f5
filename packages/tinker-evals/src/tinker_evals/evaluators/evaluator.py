"""Evaluators: anything that takes a client and returns metrics, such as an `async def` function.

An evaluator sees one snapshot. A sampling client is a snapshot; what an evaluator submits to a
training client sees the steps that were submitted before it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

import tinker

from tinker_train import Metrics, gather, merge_metrics

Client = TypeVar("Client")
Evaluator = Callable[[Client], Awaitable[Metrics]]
TrainingClientEvaluator = Evaluator[tinker.TrainingClient]


async def evaluate(client: Client, evaluators: Mapping[str, Evaluator[Client]]) -> dict[str, float]:
    """The metrics of all evaluators, run concurrently, each under `name/metric`.

    Every evaluator is called before the first is awaited, so that those of a training client see
    the same weights. Raises ConfigError for a metric with the name of another.
    """
    called = [evaluator(client) for evaluator in evaluators.values()]
    results = await gather([_wait(metrics) for metrics in called])
    prefixed = [
        {f"{name}/{metric}": value for metric, value in metrics.items()}
        for name, metrics in zip(evaluators, results, strict=True)
    ]
    return merge_metrics("evaluators", *prefixed)


async def _wait(metrics: Awaitable[Metrics]) -> Metrics:
    return await metrics
