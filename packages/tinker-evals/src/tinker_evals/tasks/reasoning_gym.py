"""Generated puzzles with verifiers: every kind of the package reasoning-gym.

A row has the package's format: `{"question", "answer", "metadata": {"source_dataset", ...}}`. The
verifiers also accept other right answers than the one in the row, and give partial scores.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

from tinker_evals.dataset.item import Item
from tinker_evals.dataset.sources import Row
from tinker_evals.graders.answer_extraction import after_answer, last_line
from tinker_evals.graders.grade import Grade
from tinker_evals.optional_packages import import_extra
from tinker_evals.tasks.task import Task

_LEFT_OUT = (
    "composite",  # needs settings, and only combines other kinds
    *("isomorphic_strings", "knight_swap", "list_functions", "polynomial_multiplication"),
    *("ransom_note", "word_ladder"),  # with one seed, these differ between processes (0.1.25)
)


@frozen
class ReasoningGym:
    """Puzzles of each kind. The same settings give the same puzzles with one package version."""

    each: int = 5
    """Puzzles per kind."""
    seed: int = 0

    def rows(self) -> list[Mapping[str, Any]]:
        """Generate the puzzles. Raises ConfigError where the package is not installed."""
        gym = import_extra("reasoning_gym", "reasoning-gym", str(self))
        return [
            {**puzzle, "number": number}
            for kind in sorted(gym.factory.DATASETS)
            if kind not in _LEFT_OUT
            for number, puzzle in enumerate(self._puzzles(gym, kind))
        ]

    def _puzzles(self, gym: Any, kind: str) -> Iterable[Mapping[str, Any]]:
        made: Iterable[Mapping[str, Any]] = gym.create_dataset(kind, size=self.each, seed=self.seed)
        return made

    def __str__(self) -> str:
        return f"package:reasoning-gym/{self.each} of each kind, seed {self.seed}"


@frozen(kw_only=True)
class GymGrader:
    """The verifier of the puzzle's kind, on what the reply states. Parts of a point count."""

    name: str = "reasoning-gym"
    version: int = 1

    async def grade(self, reply: str, item: Item) -> Grade:
        """Strict takes what follows `Answer:`, lenient the last line where there is none."""
        gym = import_extra("reasoning_gym", "reasoning-gym", "its grader")
        score = gym.get_score_answer_fn(item.target["metadata"]["source_dataset"])
        strict = after_answer(reply)
        answers = {"strict": strict, "lenient": last_line(reply) if strict is None else strict}
        return Grade(
            scores={
                name: 0.0
                if answer is None
                else min(1.0, max(0.0, float(score(answer, item.target))))
                for name, answer in answers.items()
            },
            answers=answers,
        )


def _read(row: Row, number: int) -> Item:
    kind = row["metadata"]["source_dataset"]
    return Item(
        id=f"{kind}/{row.get('number', number)}",
        prompt=row["question"],
        target=row,
        solution=f"Answer: {row['answer']}",
        group=kind,
    )


reasoning_gym = Task(
    name="reasoning_gym",
    summary="495 puzzles of 99 kinds, made by a program (package reasoning-gym, Apache-2.0)",
    source=ReasoningGym(),
    read=_read,
    grader=GymGrader(),
    instruction="Think it through. Finish with `Answer: ` and the answer alone.",
)
