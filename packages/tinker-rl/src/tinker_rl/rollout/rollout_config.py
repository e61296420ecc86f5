"""Limits on episodes, and what becomes of those that fail."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen, validators

_at_least_one = validators.optional(validators.ge(1))


@frozen(kw_only=True)
class RolloutConfig:
    """Limits on episodes, and what becomes of those that fail."""

    max_turns: int | None = field(default=None, validator=_at_least_one)
    """Most turns of the model in an episode."""
    context_window: int | None = field(default=None, validator=_at_least_one)
    """Most tokens of a prompt and its answer together; the engine is never asked for more."""
    episode_seconds: float | None = field(
        default=None, validator=validators.optional(validators.gt(0.0))
    )
    """Longest time that an episode may take, sampling included."""
    on_failed_episode: Literal["fail", "retry", "drop"] = field(
        default="fail", validator=validators.in_(("fail", "retry", "drop"))
    )
    """When an environment raises: end the run, make that episode again, or go on without it.
    What failed once more than `max_retries` times is dropped, and what is dropped is counted."""
    max_retries: int = field(default=3, validator=validators.ge(1))
    """How often an episode is made again."""
    max_concurrent_groups: int = field(default=256, validator=validators.ge(1))
    """Groups under way at once. The episodes of a group always run together, for they may wait for
    each other."""

    @property
    def attempts(self) -> int:
        """How often an episode may be started in total."""
        return 1 + self.max_retries if self.on_failed_episode == "retry" else 1
