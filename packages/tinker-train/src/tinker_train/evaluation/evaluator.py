"""Evaluators: metrics of a model by sampling from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import tinker

from tinker_core.engine.errors import engine_errors
from tinker_train.concurrency import gather
from tinker_train.log.trace import scope
from tinker_train.metrics.rows import Metrics, PendingMetrics, merge_metrics

SamplingClientEvaluator = Callable[[tinker.SamplingClient], Awaitable[Metrics]]
"""Returns metrics of a model by sampling from it. The row of the step has them as `eval/<name>`."""


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
    """The metrics of all evaluators, run concurrently, as `eval/<name>`.

    Raises ConfigError for a name that two evaluators return.
    """
    with engine_errors("evaluation by sampling"), scope("evaluate by sampling"):
        results = await gather(_call(evaluator, sampler) for evaluator in evaluators)
    prefixed = [{f"eval/{name}": value for name, value in each.items()} for each in results]
    return merge_metrics("evaluators", *prefixed)


async def _evaluate(
    snapshot: Awaitable[tinker.SamplingClient], evaluators: Sequence[SamplingClientEvaluator]
) -> Metrics:
    with engine_errors("evaluation by sampling"):
        sampler = await snapshot
    return await run_evaluators(sampler, evaluators)


async def _call(evaluator: SamplingClientEvaluator, sampler: tinker.SamplingClient) -> Metrics:
    return await evaluator(sampler)
