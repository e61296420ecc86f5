"""Tasks: items that a model answers, and how the answers are scored."""

from __future__ import annotations

from collections.abc import Callable

from attrs import field, frozen, validators

from tinker_evals.dataset.item import Item
from tinker_evals.dataset.sources import Row, RowSource
from tinker_evals.graders.grade import Grader, MessageGrader

ReadRow = Callable[[Row, int], Item | None]
"""Makes an item from a row and its number, from 0. None leaves out a row that the data itself marks
as wrong."""

_name = validators.matches_re(r"[a-z0-9_]+")


@frozen(kw_only=True)
class TextFormat:
    """The form of a problem and its solution in a plain text prompt, for base models."""

    before: str = "Question: "
    between: str = "\nAnswer:"
    lead: str = " "
    """Between `between` and the solution of a shot; the model writes it itself."""
    separator: str = "\n\n"
    stop: tuple[str, ...] = ("\n\nQuestion:", "\nQuestion:")
    """Stop strings: the beginning of a next problem."""


@frozen(kw_only=True)
class Task:
    """Problems that a model answers in words, and the grader of its replies."""

    name: str = field(validator=_name)
    summary: str
    """One line for `tinker-evals list`: what is measured, and the source of the data."""
    source: RowSource
    read: ReadRow
    grader: Grader | MessageGrader
    version: int = 1
    """Increases when the same model may score differently."""
    instruction: str = ""
    """Follows the problem in a chat: the form of the answer."""
    text_format: TextFormat = field(factory=TextFormat)
    max_tokens: int = 2048
    """Most tokens of a reply, unless the settings say otherwise."""


@frozen(kw_only=True)
class RankingTask:
    """Continuations of a text, ranked by their likelihood. No reply is sampled.

    An item's prompt is the text, its choices are the continuations, and its target is the index of
    the right one.
    """

    name: str = field(validator=_name)
    summary: str
    source: RowSource
    read: ReadRow
    version: int = 1


AnyTask = Task | RankingTask
