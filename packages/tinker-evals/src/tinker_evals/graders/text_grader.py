"""The grader of texts: it extracts an answer in two ways and matches each with the target."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from attrs import frozen

from tinker_evals.dataset.item import Item
from tinker_evals.graders.grade import Grade

Extract = Callable[[str, Item], str | None]
"""Finds the answer in a reply; None where there is no answer, never a guess."""
Match = Callable[[str, Item], bool]
"""Compares an extracted answer with the reference."""


@frozen(kw_only=True)
class TextGrader:
    """Two scores: `strict` for the form that was asked for, `lenient` for what a reader takes for
    the answer. `lenient` is tried where `strict` finds nothing; the distance between the scores is
    what the model loses by its form.
    """

    name: str
    version: int
    strict: Extract
    lenient: Extract
    match: Match

    async def grade(self, reply: str, item: Item) -> Grade:
        """Both scores. Runs in a thread, because a match may wait for another process."""
        return await asyncio.to_thread(self._grade, reply, item)

    def _grade(self, reply: str, item: Item) -> Grade:
        strict = self.strict(reply, item)
        lenient = self.lenient(reply, item) if strict is None else strict
        answers = {"strict": strict, "lenient": lenient}
        return Grade(
            scores={name: self._score(answer, item) for name, answer in answers.items()},
            answers=answers,
        )

    def _score(self, answer: str | None, item: Item) -> float:
        return float(answer is not None and self.match(answer, item))
