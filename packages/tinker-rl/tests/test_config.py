"""Settings of a run."""

from typing import Any

import pytest

from tinker_core import ConfigError
from tinker_rl import (
    KLPenalty,
    Sampling,
    Streaming,
    UpdateConfig,
)


def test_settings_that_contradict_each_other_are_refused(bench: Any) -> None:
    with pytest.raises(ConfigError, match="temperature 1"):
        bench.config(sampling=Sampling(temperature=0.7), kl_penalty=KLPenalty(coefficient=0.1))
    with pytest.raises(ConfigError, match="not a multiple"):
        bench.config(max_steps=3, update=UpdateConfig(num_substeps=2))
    with pytest.raises(ConfigError, match="recompute_logprobs with the streaming mode"):
        bench.config(mode=Streaming(), update=UpdateConfig(num_substeps=2, recompute_logprobs=True))
