"""GSPO: the tokens of the mean."""

from collections.abc import Callable
from typing import Any

from tinker_rl import Cispo, Dro, Gspo, ImportanceSampling, Ppo, training_sequences


def test_gspo_marks_the_tokens_that_its_mean_is_over(
    turn: Callable[..., Any], trajectory: Callable[..., Any]
) -> None:
    episode = trajectory(turn([1], [2, 3]), turn([1, 2, 3, 4], [5]))
    (sequence,) = training_sequences(episode, [1.0, 1.0])
    assert Gspo().inputs(sequence)["sequence_ratio_mask"].tolist() == [0, 1, 1, 0, 1]
    for loss in (ImportanceSampling(), Ppo(), Cispo(), Dro()):
        assert loss.inputs(sequence) == {}
