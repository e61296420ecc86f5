"""Multiple choice, answered in words: MMLU-Pro, MMLU-Redux, GPQA, C-Eval and SuperGPQA.

The target is always the letter of a choice that is shown, never a default.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from tinker_core import DataError
from tinker_evals.dataset.item import Item
from tinker_evals.dataset.sources import Hub, Row, RowSource
from tinker_evals.graders import choice
from tinker_evals.tasks.task import ReadRow, Task

_INSTRUCTION = "Think it through. Finish with a line `Answer: ` and the letter of your choice."


def letter(index: int) -> str:
    """A for 0."""
    return chr(ord("A") + index)


def choice_item(
    id: str, question: str, choices: Sequence[str], right: int, group: str | None
) -> Item:
    """A question with lettered choices. Raises DataError if `right` is not one of them."""
    if not 0 <= right < len(choices):
        raise DataError(f"the right choice is number {right} of {len(choices)}")
    lines = [f"{letter(i)}. {text}" for i, text in enumerate(choices)]
    return Item(
        id=id,
        prompt="\n".join([question, *lines]),
        choices=tuple(choices),
        target=letter(right),
        solution=f"Answer: {letter(right)}",
        group=group,
    )


def _mmlu_pro(row: Row, number: int) -> Item:
    options, right = row["options"], row["answer_index"]
    return choice_item(str(row["question_id"]), row["question"], options, right, row["category"])


def _mmlu_redux(row: Row, number: int) -> Item | None:
    """The questions without an error, as checked by hand."""
    if row["error_type"] != "ok":
        return None
    subject = row.get("config")
    return choice_item(
        f"{subject}/{number}", row["question"], row["choices"], row["answer"], subject
    )


def _gpqa(row: Row, number: int) -> Item:
    """The data lists the right answer first; the order that is shown is drawn from the id."""
    id, right = str(row["Record ID"]), row["Correct Answer"].strip()
    choices = [right, *(row[f"Incorrect Answer {i}"].strip() for i in (1, 2, 3))]
    random.Random(id).shuffle(choices)
    group = row.get("High-level domain")
    return choice_item(id, row["Question"].strip(), choices, choices.index(right), group)


def _ceval(row: Row, number: int) -> Item:
    choices = [row[name] for name in "ABCD"]
    subject = row.get("config")
    right = "ABCD".index(row["answer"])
    return choice_item(f"{subject}/{row['id']}", row["question"], choices, right, subject)


def _supergpqa(row: Row, number: int) -> Item:
    right = ord(row["answer_letter"]) - ord("A")
    return choice_item(row["uuid"], row["question"], row["options"], right, row["discipline"])


def _task(name: str, summary: str, source: RowSource, read: ReadRow) -> Task:
    return Task(
        name=name,
        summary=summary,
        source=source,
        read=read,
        grader=choice,
        instruction=_INSTRUCTION,
        max_tokens=4096,
    )


mmlu_pro = _task(
    "mmlu_pro",
    "12,032 questions, up to ten choices (TIGER-Lab/MMLU-Pro, MIT; Wang et al. 2024)",
    Hub("TIGER-Lab/MMLU-Pro"),
    _mmlu_pro,
)
mmlu_redux = _task(
    "mmlu_redux",
    "MMLU as checked by hand (edinburgh-dair-lab/mmlu-redux-2.0, CC BY 4.0; Gema et al. 2024)",
    Hub("edinburgh-dair-lab/mmlu-redux-2.0", "*"),
    _mmlu_redux,
)
gpqa = _task(
    "gpqa",
    "198 questions for experts, GPQA-diamond (Idavidrein/gpqa, gated; Rein et al. 2023)",
    Hub("Idavidrein/gpqa", "gpqa_diamond", split="train"),
    _gpqa,
)
ceval = _task(
    "ceval",
    "1,346 exam questions in Chinese (ceval/ceval-exam, CC BY-NC-SA 4.0; Huang et al. 2023)",
    Hub("ceval/ceval-exam", "*", split="val"),
    _ceval,
)
supergpqa = _task(
    "supergpqa",
    "26,529 questions of 285 fields (m-a-p/SuperGPQA, ODC-BY; M-A-P Team 2025)",
    Hub("m-a-p/SuperGPQA", split="train"),
    _supergpqa,
)
