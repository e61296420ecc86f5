"""Competition mathematics with answers in a box: MATH-500 and AIME."""

from __future__ import annotations

from tinker_evals.dataset.item import Item
from tinker_evals.dataset.sources import Hub, Row
from tinker_evals.graders import boxed
from tinker_evals.tasks.task import Task, TextFormat

_INSTRUCTION = r"Reason step by step, and put the final answer in \boxed{}."
_FORMAT = TextFormat(
    before="Problem: ",
    between="\nSolution:",
    stop=("\n\nProblem:", "\nProblem:"),
)


def _read_math(row: Row, number: int) -> Item:
    return Item(
        id=row["unique_id"],
        prompt=row["problem"],
        target=row["answer"],
        solution=row["solution"],
        group=f"{row['subject']}, level {row['level']}",
    )


math500 = Task(
    name="math500",
    summary="500 problems of MATH (HuggingFaceH4/MATH-500, MIT; Hendrycks et al. 2021)",
    source=Hub("HuggingFaceH4/MATH-500"),
    read=_read_math,
    grader=boxed,
    instruction=_INSTRUCTION,
    text_format=_FORMAT,
    max_tokens=4096,
)


def _read_aime(row: Row, number: int) -> Item:
    return Item(
        id=str(row.get("id", row.get("problem_idx", number))),
        prompt=row["problem"],
        target=str(row["answer"]),
        solution=row.get("solution") or "",
    )


def _aime(year: int, source: Hub) -> Task:
    return Task(
        name=f"aime_{year}",
        summary=f"the 30 problems of AIME {year} ({source.path})",
        source=source,
        read=_read_aime,
        grader=boxed,
        instruction=_INSTRUCTION,
        text_format=_FORMAT,
        max_tokens=16_384,
    )


aime_2024 = _aime(2024, Hub("HuggingFaceH4/aime_2024", split="train"))
aime_2025 = _aime(2025, Hub("MathArena/aime_2025", split="train"))
aime_2026 = _aime(2026, Hub("MathArena/aime_2026", split="train"))
