"""Evaluators: metrics of a model by sampling from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import tinker

from tinker_core.engine.errors import engine_errors
from tinker_train.concurrency import gather
from tinker_train.log.trace import scope
from tinker_train.metrics.rows import Metrics, PendingMetrics

SamplingClientEvaluator = Callable[[tinker.SamplingClient], Awaitable[Metrics]]
"""Returns metrics of a model by sampling from it."""


class EvaluatorBuilder(Protocol):
    """A frozen config that makes an evaluator."""

    def build(self, *, renderer: Any) -> SamplingClientEvaluator:
        """The evaluator; `renderer` is a `tinker_render.Renderer`."""
        ...


def evaluate_snapshot(
    training: tinker.TrainingClient, evaluators: Sequence[SamplingClientEvaluator]
) -> PendingMetrics:
    """Submit a snapshot of the weights, and evaluate it by sampling while training goes on."""
    return _evaluate(training.save_weights_and_get_sampling_client(), evaluators)


async def run_evaluators(
    sampler: tinker.SamplingClient, evaluators: Sequence[SamplingClientEvaluator]
) -> Metrics:
    """The metrics of all evaluators, run concurrently; of two equal names the later one counts."""
    with engine_errors("evaluation by sampling"), scope("evaluate by sampling"):
        results = await gather(_call(evaluator, sampler) for evaluator in evaluators)
    return {name: value for metrics in results for name, value in metrics.items()}


async def _evaluate(
    snapshot: Awaitable[tinker.SamplingClient], evaluators: Sequence[SamplingClientEvaluator]
) -> Metrics:
    with engine_errors("evaluation by sampling"):
        sampler = await snapshot
    return await run_evaluators(sampler, evaluators)


async def _call(evaluator: SamplingClientEvaluator, sampler: tinker.SamplingClient) -> Metrics:
    return await evaluator(sampler)
