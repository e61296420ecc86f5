"""Evaluations submitted between two steps. They see exactly the steps before them."""

from __future__ import annotations

from collections.abc import Sequence

import tinker
from tinker import types

from tinker_dpo.custom_loss import References, datums_of, surrogate
from tinker_dpo.data.rendering import RenderedPreference
from tinker_dpo.metrics import value_metrics
from tinker_dpo.objectives.objective import Objective
from tinker_train import Metrics, PendingMetrics, engine_errors, scope


def evaluate_items(
    training: tinker.TrainingClient,
    objective: Objective,
    items: Sequence[RenderedPreference],
    references: References | None,
) -> PendingMetrics:
    """Submit an evaluation of the objective on held-out preferences, metrics `test/...`."""
    forward = training.forward(datums_of(items), "cross_entropy")
    return _evaluate(objective, items, references, forward)


async def _evaluate(
    objective: Objective,
    items: Sequence[RenderedPreference],
    references: References | None,
    forward: tinker.APIFuture[types.ForwardBackwardOutput],
) -> Metrics:
    with engine_errors("forward of the test data"), scope("evaluate"):
        outputs = await forward
    return value_metrics("test", surrogate(objective, items, outputs, references).value)
