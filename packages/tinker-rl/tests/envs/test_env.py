"""Values of an environment."""

import pytest

from tinker_core import DataError
from tinker_rl import (
    StepResult,
)


def test_an_undone_step_needs_an_observation() -> None:
    with pytest.raises(DataError, match="not done"):
        StepResult(reward=0, episode_done=False)
