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
    with pytest.raises(ConfigError, match="not a multiple"):
        bench.config(max_steps=3, update=UpdateConfig(num_substeps=2))
    with pytest.raises(ConfigError, match="recompute_logprobs with the streaming mode"):
        bench.config(mode=Streaming(), update=UpdateConfig(num_substeps=2, recompute_logprobs=True))


@pytest.mark.parametrize("name", ["temperature", "top_p", "top_k"])
def test_sampling_that_changes_probabilities_is_refused_where_logprobs_are_compared_or_on_request(
    bench: Any, name: str
) -> None:
    sampling = Sampling(**{name: 0.5 if name != "top_k" else 5})
    with pytest.raises(ConfigError, match=rf"{name}=.*with a KL penalty.* at temperature 1"):
        bench.config(sampling=sampling, kl_penalty=KLPenalty(coefficient=0.1))
    with pytest.raises(ConfigError, match=rf"{name}=.*changed_sampling=refuse"):
        bench.config(sampling=sampling, changed_sampling="refuse")
    assert bench.config(sampling=sampling).sampling.changes.startswith(name)
    assert bench.config(changed_sampling="refuse").sampling.changes == ""
