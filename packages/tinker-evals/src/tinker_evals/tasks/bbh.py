"""BIG-Bench Hard: 27 kinds of reasoning (Suzgun et al. 2022, arXiv:2210.09261)."""

from __future__ import annotations

from tinker_evals.dataset.item import Item
from tinker_evals.dataset.sources import Hub, Row
from tinker_evals.graders import stated
from tinker_evals.tasks.task import Task, TextFormat


def _read(row: Row, number: int) -> Item:
    kind = row.get("config")
    return Item(
        id=f"{kind}/{number}",
        prompt=row["input"],
        target=row["target"],
        solution=f"Answer: {row['target']}",
        group=kind,
    )


bbh = Task(
    name="bbh",
    summary="6,511 problems of BIG-Bench Hard (lukaemon/bbh, MIT)",
    source=Hub("lukaemon/bbh", "*"),
    read=_read,
    grader=stated,
    instruction="Think it through. Finish with a line `Answer: ` and the answer alone.",
    text_format=TextFormat(before="Q: ", between="\nA:", stop=("\n\nQ:", "\nQ:")),
)
