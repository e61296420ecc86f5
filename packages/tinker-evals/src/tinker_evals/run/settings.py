"""Settings of running a task."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen, validators

from tinker_core import ConfigError
from tinker_core.validators import non_negative
from tinker_evals.run.retry import Retry

Style = Literal["chat", "text"]


@frozen(kw_only=True)
class Sampling:
    """Sampling settings of replies. These settings are part of a run's fingerprint."""

    style: Style = field(default="chat", validator=validators.in_(("chat", "text")))
    """`chat` renders a conversation; `text` is a plain prompt to continue, for base models."""
    shots: int = field(default=0, validator=validators.ge(0))
    """Solved problems in the prompt before the one that is asked."""
    system_prompt: str | None = None
    """Content of the system message of a chat."""
    max_tokens: int | None = field(default=None, validator=validators.optional(validators.gt(0)))
    """Most tokens of a reply; default: the task's own limit."""
    temperature: float = field(default=0.0, validator=non_negative)
    top_p: float = field(default=1.0, validator=validators.and_(validators.gt(0), validators.le(1)))
    seed: int = 0

    def __attrs_post_init__(self) -> None:
        if self.style == "text" and self.system_prompt is not None:
            raise ConfigError("system_prompt: a prompt of style 'text' has no system message")


@frozen(kw_only=True)
class Settings:
    """A run of one task."""

    sampling: Sampling = field(factory=Sampling)
    samples: int = field(default=1, validator=validators.ge(1))
    """Replies to each problem."""
    limit: int | None = field(default=None, validator=validators.optional(validators.ge(1)))
    """Number of problems, the same ones for every model; default: all."""
    concurrency: int = field(default=256, validator=validators.ge(1))
    """Problems in flight at once; enough to fill an engine's batch."""
    retry: Retry = field(factory=Retry)
    """The policy for errors of the engine and of the grader."""

    def __attrs_post_init__(self) -> None:
        if self.samples > 1 and self.sampling.temperature == 0:
            raise ConfigError(
                f"samples: {self.samples} greedy replies are equal; set a temperature above 0"
            )
