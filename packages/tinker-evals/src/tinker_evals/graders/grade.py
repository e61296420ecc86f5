"""What an answer is worth, and the port of whoever says so."""

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
    """Scores under their names; the first is the one that a task is known by."""

    scores: Mapping[str, float] = field(validator=[validators.min_len(1), _shares])
    answers: Mapping[str, str | None] = field(factory=dict)
    """Where the scores differ in how they read the reply: what each took for the answer."""
    comment: str = ""
    """Why, for people who read transcripts."""

    @property
    def answered(self) -> bool:
        """Whether any reading found an answer."""
        return not self.answers or any(answer is not None for answer in self.answers.values())


class Named(Protocol):
    """Both stand in the results."""

    @property
    def name(self) -> str:
        """Which grader it is."""
        ...

    @property
    def version(self) -> int:
        """Goes up when the same reply may score differently."""
        ...


class Grader(Named, Protocol):
    """Whoever says what a reply is worth."""

    async def grade(self, reply: str, item: Item) -> Grade:
        """Grade the text of a reply, without its thinking. Raises GradingError."""
        ...


@runtime_checkable
class MessageGrader(Named, Protocol):
    """The same, where more than the text counts: tool calls."""

    async def grade_message(self, message: Message, item: Item) -> Grade:
        """Grade a whole reply. Raises GradingError."""
        ...
