"""IFEval: instructions that a program can verify (Zhou et al. 2023, arXiv:2311.07911)."""

from __future__ import annotations

from tinker_evals.dataset.item import Item
from tinker_evals.dataset.sources import Hub, Row
from tinker_evals.graders.ifeval import InstructionGrader
from tinker_evals.tasks.task import Task


def _read(row: Row, number: int) -> Item:
    return Item(
        id=str(row["key"]),
        prompt=row["prompt"],
        target={"instruction_id_list": row["instruction_id_list"], "kwargs": row["kwargs"]},
    )


ifeval = Task(
    name="ifeval",
    summary="541 prompts with verifiable instructions (google/IFEval, Apache-2.0)",
    source=Hub("google/IFEval", split="train"),
    read=_read,
    grader=InstructionGrader(),
)
