"""Sums of two digits, small enough for the local engine's tiny model."""

from __future__ import annotations

from tinker_evals.dataset.item import Item
from tinker_evals.dataset.sources import Row, Shipped
from tinker_evals.graders import number_alone
from tinker_evals.tasks.task import Task


def _read(row: Row, number: int) -> Item:
    a, b = row["a"], row["b"]
    return Item(
        id=f"{a}+{b}",
        prompt=f"What is {a}+{b}?",
        target=str(a + b),
        solution=str(a + b),
        group=f"{a} + ...",
    )


sums = Task(
    name="sums",
    summary="100 sums of two digits; for local/tiny and first steps",
    source=Shipped("sums"),
    read=_read,
    grader=number_alone,
    max_tokens=16,
)
