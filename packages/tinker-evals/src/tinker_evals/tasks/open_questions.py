"""Open questions without a key: a judge rates replies, or compares two models in a duel.

The data has the format of MT-bench: `question_id`, `category`, `turns`, of which the first is
asked, and optionally `reference`.
"""

from __future__ import annotations

from attrs import evolve

from tinker_core import PreferenceModel
from tinker_evals.dataset.item import Item
from tinker_evals.dataset.sources import Row, Shipped
from tinker_evals.graders.grade import Grader
from tinker_evals.graders.judge import RUBRIC, DuelGrader, RubricGrader
from tinker_evals.model.model import Model
from tinker_evals.tasks.task import Task

MAX_TOKENS = 2048
"""Most tokens of a reply in a duel."""
JUDGED = {
    "judged": "6 open questions, rated by a judge (--judge)",
    "duel": "6 open questions, against another model (--judge, --against)",
}
"""Names and summaries of the tasks that need other models, so that `TASKS` cannot hold them."""


def _read(row: Row, number: int) -> Item:
    return Item(
        id=str(row["question_id"]),
        prompt=row["turns"][0],
        target=(row.get("reference") or [None])[0],
        group=row.get("category"),
    )


def judged(judge: Model, rubric: str = RUBRIC) -> Task:
    """A task whose replies a judge rates by a rubric."""
    grader = RubricGrader(judge=judge, rubric=rubric)
    return _task("judged", "open questions, rated by a judge", grader)


def duel(
    opponent: Model,
    judge: Model | PreferenceModel,
    rubric: str = RUBRIC,
    max_tokens: int = MAX_TOKENS,
) -> Task:
    """A task that compares replies with another model's, each judged in both orders.

    `max_tokens` limits the replies of both sides; `Sampling.max_tokens` limits one side only.
    """
    grader = DuelGrader(opponent=opponent, judge=judge, rubric=rubric, opponent_tokens=max_tokens)
    task = _task("duel", "open questions, each answered better than another model", grader)
    return evolve(task, max_tokens=max_tokens)


def _task(name: str, summary: str, grader: Grader) -> Task:
    return Task(
        name=name, summary=summary, source=Shipped("open_questions"), read=_read, grader=grader
    )
