"""Early stopping."""

import pytest

from tinker_train import Evaluation
from tinker_train.loop.early_stopping import should_stop_early


@pytest.mark.parametrize(
    ("values", "patience", "over"),
    [
        ([], 1, False),
        ([3.0], 1, False),
        ([3.0, 2.0], 1, False),
        ([3.0, 3.0], 1, True),  # as good is not better
        ([3.0, 2.0, 2.5, 2.1], 2, True),
        ([3.0, 2.0, 2.5, 2.1], 3, False),
        ([3.0, None, None], 1, False),  # what was not measured says nothing
        ([3.0, 4.0, 5.0], None, False),
    ],
)
def test_patience_counts_measurements_since_the_best(values, patience, over):
    rows = [{"step": i, "test/nll": value} for i, value in enumerate(values)]
    assert should_stop_early(Evaluation(patience=patience), rows) is over


def test_of_a_metric_of_which_more_is_better_the_greatest_is_the_best():
    rows = [{"step": i, "test/reward": value} for i, value in enumerate([0.1, 0.9, 0.5, 0.7])]
    evaluation = Evaluation(patience=2, metric="test/reward", greater_is_better=True)
    assert should_stop_early(evaluation, rows)
    assert not should_stop_early(evaluation, [*rows, {"step": 4, "test/reward": 1.0}])
