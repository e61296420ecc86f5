"""Early stopping: end a run when its evaluations no longer improve, or are not finite."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from tinker_core import ConfigError
from tinker_train.evaluation.settings import Evaluation
from tinker_train.metrics.rows import STEP

_OF_EVALUATIONS = ("test/", "eval/")


def reason_to_stop(evaluation: Evaluation, rows: Sequence[Mapping[str, Any]]) -> str | None:
    """The reason to end a run with these rows of metrics.jsonl early; None to continue it.

    It ends if the metric is not finite, which is null in a row, and if the last `patience`
    evaluations brought no new best. A value as good as the best is no new best. Rows without the
    metric do not count. Raises ConfigError if no row has it. A metric of training steps may be
    absent before the first step.
    """
    name, patience = evaluation.metric, evaluation.patience
    if patience is None:
        return None
    values = [row[name] for row in rows if name in row]
    if not values:
        if any(row[STEP] > 0 for row in rows) or name.startswith(_OF_EVALUATIONS):
            found = sorted({each for row in rows for each in row if each != STEP})
            raise ConfigError(
                f"evaluation.metric is {name!r}, which nothing reports; "
                f"the metrics are: {', '.join(found) or 'none'}"
            )
        return None
    if values[-1] is None:
        return f"{name} is not finite"
    sign = -1.0 if evaluation.greater_is_better else 1.0
    known = [math.inf if value is None else sign * value for value in values]
    without_new_best = len(known) - 1 - known.index(min(known))
    if without_new_best < patience:
        return None
    return f"{name} has no new best in {without_new_best} evaluations"
