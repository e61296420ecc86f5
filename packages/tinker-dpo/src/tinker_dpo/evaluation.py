"""What is measured of the model as it is at a place in the order of calls."""

from __future__ import annotations

from collections.abc import Sequence

import tinker
from attrs import frozen
from tinker import types

from tinker_dpo.custom_loss import References, datums_of, surrogate
from tinker_dpo.data.rendering import RenderedItem
from tinker_dpo.metrics import value_metrics
from tinker_dpo.objectives.objective import Objective
from tinker_train import (
    Coming,
    Metrics,
    SamplingClientEvaluator,
    ask_snapshot,
    engine_errors,
    scope,
)


@frozen(kw_only=True, eq=False)
class HeldOut:
    """What the loop measures."""

    items: Sequence[RenderedItem] = ()
    references: References | None = None
    evaluators: Sequence[SamplingClientEvaluator] = ()


def evaluate(
    training: tinker.TrainingClient, objective: Objective, held_out: HeldOut
) -> list[Coming]:
    """Ask at once for what is needed; the metrics come by awaiting, however long they take."""
    coming: list[Coming] = []
    if held_out.items:
        forward = training.forward(datums_of(held_out.items), "cross_entropy")
        coming.append(_of_items(objective, held_out, forward))
    if held_out.evaluators:
        snapshot = training.save_weights_and_get_sampling_client()
        coming.append(ask_snapshot(snapshot, held_out.evaluators))
    return coming


async def _of_items(
    objective: Objective,
    held_out: HeldOut,
    forward: tinker.APIFuture[types.ForwardBackwardOutput],
) -> Metrics:
    with engine_errors("forward of the test data"), scope("evaluate"):
        outputs = await forward
    value = surrogate(objective, held_out.items, outputs, held_out.references).value
    return value_metrics("test", value)
