"""What is measured of the model as it is at a place in the order of calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tinker
from tinker import types

from tinker_data import SupervisedData
from tinker_sl.bits_per_byte import bits_per_byte
from tinker_sl.config import Evaluation
from tinker_train import (
    Coming,
    Metrics,
    SamplingClientEvaluator,
    ask_snapshot,
    engine_errors,
    scope,
    weighted_nll,
)


def evaluate(
    training: tinker.TrainingClient,
    data: SupervisedData,
    evaluators: Sequence[SamplingClientEvaluator],
) -> list[Coming]:
    """Ask at once for what is needed; the metrics come by awaiting, however long they take.

    `test/nll` is in nats per token of weight one, `test/bpb` in bits per byte.
    """
    coming: list[Coming] = []
    if data.test:
        coming.append(_held_out(data, training.forward(list(data.test), "cross_entropy")))
    if evaluators:
        snapshot = training.save_weights_and_get_sampling_client()
        coming.append(ask_snapshot(snapshot, evaluators))
    return coming


async def _held_out(
    data: SupervisedData, forward: tinker.APIFuture[types.ForwardBackwardOutput]
) -> Metrics:
    with engine_errors("forward of the test data"), scope("evaluate"):
        outputs = await forward
    metrics = {"test/nll": weighted_nll(data.test, outputs).per_token}
    if data.tokenizer is not None:
        metrics["test/bpb"] = bits_per_byte(data.test, outputs, data.tokenizer)
    return metrics


def patience_is_over(evaluation: Evaluation, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the last `patience` measurements in the run's metrics brought no new best."""
    if evaluation.patience is None:
        return False
    values = [row[evaluation.metric] for row in rows if row.get(evaluation.metric) is not None]
    best = min(range(len(values)), key=values.__getitem__, default=0)
    return len(values) - 1 - best >= evaluation.patience
