"""Each loss knows its settings and its inputs, and refuses settings that contradict each other."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinker_core import ConfigError
from tinker_rl import Cispo, Dro, Gspo, ImportanceSampling, Loss, Ppo, training_sequences

SCALES = np.full(3, 0.25)  # as normalised over 4 tokens


@pytest.mark.parametrize(
    ("loss", "settings"),
    [
        (ImportanceSampling(), None),
        (Ppo(), {"clip_low_threshold": 0.8, "clip_high_threshold": 1.2}),
        (Ppo(clip_high=1.28), {"clip_low_threshold": 0.8, "clip_high_threshold": 1.28}),
        (Cispo(), {"clip_low_threshold": 0.0, "clip_high_threshold": 4.0}),
        (Gspo(), {"clip_low_threshold": 1 - 3e-4, "clip_high_threshold": 1 + 4e-4}),
        (Dro(beta=0.8), {"beta": 0.2}),
    ],
)
def test_settings_are_the_papers_unless_given(loss: Loss, settings: dict[str, float]) -> None:
    assert loss.settings(SCALES) == settings


def test_dro_without_normalisation_keeps_its_beta() -> None:
    assert Dro(beta=0.8, normalise="none").settings(np.ones(3)) == {"beta": 0.8}


def test_gspo_marks_the_tokens_that_its_mean_is_over(
    turn: Callable[..., Any], trajectory: Callable[..., Any]
) -> None:
    episode = trajectory(turn([1], [2, 3]), turn([1, 2, 3, 4], [5]))
    (sequence,) = training_sequences(episode, [1.0, 1.0])
    assert Gspo().inputs(sequence)["sequence_ratio_mask"].tolist() == [0, 1, 1, 0, 1]
    for loss in (ImportanceSampling(), Ppo(), Cispo(), Dro()):
        assert loss.inputs(sequence) == {}


@pytest.mark.parametrize("loss", [Ppo, Cispo, Gspo])
def test_an_empty_range_of_ratios_is_refused(loss: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"clip_low 5\.0 must be at least 0 and less than clip_high"
    ):
        loss(clip_low=5.0)


def test_dro_cannot_be_normalised_by_sequence() -> None:
    with pytest.raises(ConfigError, match="one beta for all"):
        Dro(normalise="sequence")
