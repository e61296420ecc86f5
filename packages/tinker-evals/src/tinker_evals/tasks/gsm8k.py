"""GSM8K: grade-school word problems (Cobbe et al. 2021, arXiv:2110.14168)."""

from __future__ import annotations

import re

from tinker_core import DataError
from tinker_evals.dataset.item import Item
from tinker_evals.dataset.sources import Hub, Row
from tinker_evals.graders import hashes
from tinker_evals.graders.number_extraction import number_after_hashes
from tinker_evals.tasks.task import Task

_CALCULATOR = re.compile(r"<<[^<>]*>>")
"""Calculator annotations in the solutions, which no model should learn to write."""


def _read(row: Row, number: int) -> Item:
    target = number_after_hashes(row["answer"])
    if target is None:
        raise DataError("the solution has no line `#### number`", field="answer")
    return Item(
        id=str(number),
        prompt=row["question"],
        target=target,
        solution=_CALCULATOR.sub("", row["answer"]),
    )


gsm8k = Task(
    name="gsm8k",
    summary="1,319 word problems of grade school (openai/gsm8k, MIT)",
    source=Hub("openai/gsm8k", "main"),
    read=_read,
    grader=hashes,
    instruction="Solve it step by step. Finish with a line `#### ` and the number alone.",
)
