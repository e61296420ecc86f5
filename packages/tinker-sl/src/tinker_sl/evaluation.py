"""Evaluations submitted between two steps. They see exactly the steps before them."""

from __future__ import annotations

from collections.abc import Sequence

import tinker
from tinker import types

from tinker_data import SupervisedData
from tinker_sl.bits_per_byte import bits_per_byte
from tinker_train import (
    Metrics,
    PendingMetrics,
    SamplingClientEvaluator,
    engine_errors,
    evaluate_snapshot,
    scope,
    weighted_nll,
)


def evaluate(
    training: tinker.TrainingClient,
    data: SupervisedData,
    evaluators: Sequence[SamplingClientEvaluator],
) -> list[PendingMetrics]:
    """Submit the evaluations of the model as it is now; await the results for their metrics.

    `test/nll` is in nats per token of weight one, `test/bpb` in bits per byte.
    """
    pending: list[PendingMetrics] = []
    if data.test:
        pending.append(_held_out(data, training.forward(list(data.test), "cross_entropy")))
    if evaluators:
        pending.append(evaluate_snapshot(training, evaluators))
    return pending


async def _held_out(
    data: SupervisedData, forward: tinker.APIFuture[types.ForwardBackwardOutput]
) -> Metrics:
    with engine_errors("forward of the test data"), scope("evaluate"):
        outputs = await forward
    metrics = {"test/nll": weighted_nll(data.test, outputs).per_token}
    if data.tokenizer is not None:
        metrics["test/bpb"] = bits_per_byte(data.test, outputs, data.tokenizer)
    return metrics
