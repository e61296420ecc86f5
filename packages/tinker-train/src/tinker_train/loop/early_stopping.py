"""Early stopping: end a run when its evaluations no longer improve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tinker_train.evaluation.settings import Evaluation


def should_stop_early(evaluation: Evaluation, rows: Sequence[Mapping[str, Any]]) -> bool:
    """True if the last `patience` evaluations in the run's metrics brought no new best.

    A value as good as the best is no new best. Rows without the metric do not count.
    """
    if evaluation.patience is None:
        return False
    values = [row[evaluation.metric] for row in rows if row.get(evaluation.metric) is not None]
    sign = -1.0 if evaluation.greater_is_better else 1.0
    best = min(range(len(values)), key=lambda i: sign * values[i], default=0)
    return len(values) - 1 - best >= evaluation.patience
