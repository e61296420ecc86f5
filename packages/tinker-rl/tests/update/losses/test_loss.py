"""Each loss knows its settings and its inputs, and refuses settings that contradict each other."""

from typing import Any

import numpy as np
import pytest

from tinker_core import ConfigError
from tinker_rl import Cispo, Dro, Gspo, ImportanceSampling, Loss, Ppo

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


@pytest.mark.parametrize("loss", [Ppo, Cispo, Gspo])
def test_an_empty_range_of_ratios_is_refused(loss: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"clip_low 5\.0 must be at least 0 and less than clip_high"
    ):
        loss(clip_low=5.0)
