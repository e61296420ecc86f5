"""How a task is run, as data."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen, validators

from tinker_core import ConfigError

Style = Literal["chat", "text"]


@frozen(kw_only=True)
class Sampling:
    """How replies are drawn. What stands here decides what a model answers."""

    style: Style = field(default="chat", validator=validators.in_(("chat", "text")))
    """A conversation through the renderer, or text to be continued, for base models."""
    shots: int = field(default=0, validator=validators.ge(0))
    """Solved problems that are shown first."""
    system_prompt: str | None = None
    """What the system message says, in a chat; without it there is none."""
    max_tokens: int | None = field(default=None, validator=validators.optional(validators.gt(0)))
    """Of a reply; the task's own measure unless given."""
    temperature: float = field(default=0.0, validator=validators.ge(0))
    top_p: float = field(default=1.0, validator=validators.and_(validators.gt(0), validators.le(1)))
    seed: int = 0

    def __attrs_post_init__(self) -> None:
        if self.style == "text" and self.system_prompt is not None:
            raise ConfigError("system_prompt: text that is continued has no system message")


@frozen(kw_only=True)
class Settings:
    """A run of one task."""

    sampling: Sampling = field(factory=Sampling)
    samples: int = field(default=1, validator=validators.ge(1))
    """Replies to each problem."""
    limit: int | None = field(default=None, validator=validators.optional(validators.ge(1)))
    """So many problems, the same for every model; all unless given."""
    concurrency: int = field(default=256, validator=validators.ge(1))
    """Problems that are out at the same time; enough to fill an engine's batch."""
    attempts: int = field(default=3, validator=validators.ge(1))
    """How often a problem is asked when the engine or the grader fails."""

    def __attrs_post_init__(self) -> None:
        if self.samples > 1 and self.sampling.temperature == 0:
            raise ConfigError(
                f"samples: {self.samples} greedy replies are {self.samples} times the same; "
                "set a temperature"
            )
