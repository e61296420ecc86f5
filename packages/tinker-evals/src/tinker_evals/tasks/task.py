"""What is asked and how it is scored: a task is a value, and a module or a table row of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import field, frozen, validators

from tinker_evals.dataset.item import Item
from tinker_evals.dataset.sources import Source
from tinker_evals.graders.grade import Grader, MessageGrader

Row = Mapping[str, Any]
Read = Callable[[Row, int], Item | None]
"""Makes an item of a row of the data and its number, from 0; None leaves out a row that the data
itself calls wrong."""

_name = validators.matches_re(r"[a-z0-9_]+")


@frozen(kw_only=True)
class TextFormat:
    """How a problem and its solution are written for a model that continues text."""

    before: str = "Question: "
    between: str = "\nAnswer:"
    lead: str = " "
    """Between that and a solution that is shown; the model writes it itself."""
    separator: str = "\n\n"
    stop: tuple[str, ...] = ("\n\nQuestion:", "\nQuestion:")
    """Where the next problem would begin."""


@frozen(kw_only=True)
class Task:
    """Problems that a model answers in words, and the grader of its replies."""

    name: str = field(validator=_name)
    summary: str
    """One line for `tinker-evals list`: what is measured, and whose data it is."""
    source: Source
    read: Read
    grader: Grader | MessageGrader
    version: int = 1
    """Goes up when the same model may score differently."""
    instruction: str = ""
    """Follows the problem in a chat: the form in which the answer is wanted."""
    text_format: TextFormat = field(factory=TextFormat)
    max_tokens: int = 2048
    """Of a reply, where the settings do not say."""


@frozen(kw_only=True)
class RankingTask:
    """Continuations of a text, of which the model should hold the right one for the likeliest.

    An item's prompt is the text, its choices the continuations, its target the index of the right
    one. No reply is sampled.
    """

    name: str = field(validator=_name)
    summary: str
    source: Source
    read: Read
    version: int = 1


AnyTask = Task | RankingTask
