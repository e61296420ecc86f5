"""Grades, and the interface of graders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from attrs import field, frozen, validators

from tinker_core import Message
from tinker_evals.dataset.item import Item


def _shares(_: object, attribute: object, scores: Mapping[str, float]) -> None:
    for name, score in scores.items():
        if not 0 <= score <= 1:
            raise ValueError(f"{name}: a score is between 0 and 1, not {score}")


@frozen(kw_only=True)
class Grade:
    """The scores of one reply."""

    scores: Mapping[str, float] = field(validator=[validators.min_len(1), _shares])
    """Scores by name, from 0 to 1; the first is the task's headline score."""
    answers: Mapping[str, str | None] = field(factory=dict)
    """The answer that each score extracted from the reply; None where it found no answer."""
    comment: str = ""
    """The reason, for people who read transcripts."""

    @property
    def answered(self) -> bool:
        """True if any score found an answer."""
        return not self.answers or any(answer is not None for answer in self.answers.values())


class Named(Protocol):
    """A grader's name and version, which are part of a run's fingerprint."""

    @property
    def name(self) -> str:
        """The name of the grader."""
        ...

    @property
    def version(self) -> int:
        """Increases when the same reply may score differently."""
        ...


class Grader(Named, Protocol):
    """Scores the text of a reply."""

    async def grade(self, reply: str, item: Item) -> Grade:
        """Grade a reply, given without its thinking. Raises GradingError."""
        ...


@runtime_checkable
class MessageGrader(Named, Protocol):
    """Scores a whole message, for replies that are more than text, such as tool calls."""

    async def grade_message(self, message: Message, item: Item) -> Grade:
        """Grade a reply. Raises GradingError."""
        ...
