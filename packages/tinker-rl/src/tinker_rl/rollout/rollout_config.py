"""Limits on episodes, and the failed-episode policy."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen, validators

from tinker_core.validators import positive

_at_least_one = validators.optional(validators.ge(1))


@frozen(kw_only=True)
class RolloutConfig:
    """Limits on episodes, and the failed-episode policy."""

    max_turns: int | None = field(default=None, validator=_at_least_one)
    """Greatest number of the model's turns in an episode."""
    context_window: int | None = field(default=None, validator=_at_least_one)
    """Greatest number of tokens of prompt and answer. Longer answers are never requested."""
    episode_seconds: float | None = field(default=None, validator=validators.optional(positive))
    """Time limit of an episode, sampling included."""
    on_failed_episode: Literal["fail", "retry", "drop"] = field(
        default="fail", validator=validators.in_(("fail", "retry", "drop"))
    )
    """Failed-episode policy, when an environment raises: `fail` ends the run, `retry` repeats the
    episode up to `max_retries` times and then drops it, `drop` drops it at once. Dropped episodes
    are counted in the metrics."""
    max_retries: int = field(default=3, validator=validators.ge(1))
    """Retries of an episode."""
    max_concurrent_groups: int = field(default=256, validator=validators.ge(1))
    """Groups that run concurrently. All episodes of a group run at once, because they may wait for
    each other."""

    @property
    def attempts(self) -> int:
        """Number of attempts at an episode."""
        return 1 + self.max_retries if self.on_failed_episode == "retry" else 1
