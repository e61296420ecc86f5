"""Settings that cannot be meant are refused."""

import pytest

from tinker_core import ConfigError
from tinker_evals import (
    Settings,
)


def test_several_greedy_samples_are_refused() -> None:
    with pytest.raises(ConfigError, match="greedy"):
        Settings(samples=2)
