"""Early stopping."""

import pytest

from tinker_core import ConfigError
from tinker_train import Evaluation
from tinker_train.loop.early_stopping import reason_to_stop

NOT_MEASURED = object()


def rows_of(values, metric="test/nll"):
    """One row per step; NaN and infinity are null in metrics.jsonl."""
    return [
        {"step": i, **({} if value is NOT_MEASURED else {metric: value})}
        for i, value in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("values", "patience", "over"),
    [
        ([3.0], 1, False),
        ([3.0, 2.0], 1, False),
        ([3.0, 3.0], 1, True),  # as good is not better
        ([3.0, 2.0, 2.5, 2.1], 2, True),
        ([3.0, 2.0, 2.5, 2.1], 3, False),
        ([3.0, NOT_MEASURED, NOT_MEASURED], 1, False),
        ([3.0, 4.0, 5.0], None, False),
    ],
)
def test_patience_counts_evaluations_since_the_best(values, patience, over):
    reason = reason_to_stop(Evaluation(patience=patience), rows_of(values))
    assert (reason is not None) is over


def test_of_a_metric_of_which_more_is_better_the_greatest_is_the_best():
    rows = rows_of([0.1, 0.9, 0.5, 0.7], "test/reward")
    evaluation = Evaluation(patience=2, metric="test/reward", greater_is_better=True)
    reason = reason_to_stop(evaluation, rows)
    assert reason == "test/reward has no new best in 2 evaluations"
    assert reason_to_stop(evaluation, [*rows, {"step": 4, "test/reward": 1.0}]) is None


@pytest.mark.parametrize("greater_is_better", [False, True])
def test_a_metric_that_is_not_finite_ends_the_run_at_once(greater_is_better):
    evaluation = Evaluation(patience=9, greater_is_better=greater_is_better)
    reason = reason_to_stop(evaluation, rows_of([3.0, 2.0, None]))
    assert reason == "test/nll is not finite"
    assert reason_to_stop(evaluation, rows_of([None, 2.0])) is None  # it became finite
    assert reason_to_stop(Evaluation(patience=None), rows_of([None])) is None


@pytest.mark.parametrize("metric", ["test/nil", "eval/gsm8k/acuracy"])
def test_a_misspelt_metric_is_refused_with_the_names_there_are(metric):
    rows = [{"step": 0, "test/nll": 3.0, "eval/gsm8k/accuracy": 0.5}]
    with pytest.raises(ConfigError, match=rf"'{metric}', .*: eval/gsm8k/accuracy, test/nll"):
        reason_to_stop(Evaluation(patience=1, metric=metric), rows)


def test_a_metric_of_steps_may_be_missing_before_the_first_step_alone():
    evaluation = Evaluation(patience=1, metric="train/nil")
    assert reason_to_stop(evaluation, [{"step": 0, "test/nll": 3.0}]) is None
    with pytest.raises(ConfigError, match=r"'train/nil', .*: train/nll"):
        reason_to_stop(evaluation, [{"step": 1, "train/nll": 3.0}])
