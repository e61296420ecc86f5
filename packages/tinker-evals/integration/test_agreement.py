"""Our graders score as lm-evaluation-harness does, on the same replies.

The items are those shipped here; `TINKER_EVALS_DATA` names a folder with gsm8k_test.jsonl,
math500.jsonl and ifeval.jsonl to do the same on the real ones. Replies are made from the items:
right ones, ones of other items, ones in other forms. Where the two differ on purpose, the test says
on what and how often.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lm_eval.filters.extraction import RegexFilter
from lm_eval.tasks.ifeval import instructions_util
from lm_eval.tasks.ifeval import utils as ifeval_utils
from lm_eval.tasks.minerva_math import utils as minerva
from punkt import sent_tokenize

from tinker_evals import Item, JsonlFile, RowSource, Shipped, Task, load_items
from tinker_evals.tasks import TASKS

DATA = os.environ.get("TINKER_EVALS_DATA")
FILES = {"gsm8k": "gsm8k_test.jsonl", "math500": "math500.jsonl", "ifeval": "ifeval.jsonl"}


def items(name: str) -> list[Item]:
    source: RowSource = JsonlFile(Path(DATA, FILES[name])) if DATA else Shipped(name)
    return load_items(TASKS[name], source)


def scores(name: str, reply: str, item: Item) -> dict[str, float]:
    task = TASKS[name]
    assert isinstance(task, Task)
    return dict(asyncio.run(task.grader.grade(reply, item)).scores)


def gsm8k_replies(item: Item, other: Item) -> Iterator[str]:
    yield item.solution
    yield other.solution
    yield f"The answer is {item.target}."
    yield f"I get {item.target}"
    yield f"#### {item.target}.00"
    yield f"{item.solution}\n\nQuestion: what?"
    yield "No idea."


def their_gsm8k(reply: str, item: Item) -> tuple[float, float]:
    """The two filters and the exact match of its gsm8k.yaml."""

    def normal(text: str) -> str:
        for pattern in (",", r"\$", r"(?s).*#### ", r"\.$"):
            text = re.sub(pattern, "", text)
        return text.lower()

    strict = RegexFilter(r"#### (\-?[0-9\.\,]+)").apply([[reply]], [{}])
    flexible = RegexFilter(r"(-?[$0-9.,]{2,})|(-?[0-9]+)", group_select=-1).apply([[reply]], [{}])
    target = normal(f"#### {item.target}")
    return tuple(float(normal(next(iter(found))[0]) == target) for found in (strict, flexible))  # type: ignore[return-value]


def test_gsm8k_agrees() -> None:
    found = items("gsm8k")
    differ: dict[str, int] = {}
    compared = 0
    for item, other in zip(found, [*found[1:], found[0]], strict=True):
        for reply in gsm8k_replies(item, other):
            ours = scores("gsm8k", reply, item)
            strict, flexible = their_gsm8k(reply, item)
            compared += 1
            if (ours["strict"], ours["lenient"]) != (strict, flexible):
                differ[reply.replace(item.target, "N")[:12]] = (
                    differ.get(reply.replace(item.target, "N")[:12], 0) + 1
                )
    # 18.00 is 18 for us, and not for the harness, which compares letters.
    assert set(differ) <= {"#### N.00"}, differ
    print(f"gsm8k: {compared} replies compared, {differ} differ")


def test_math_agrees() -> None:
    """With its math_verify score; its other score compares spellings, and misses many."""
    found = items("math500")
    compared, differ = 0, []
    for i, item in enumerate(found):
        other = found[(i + 1) % len(found)]
        for reply in (item.solution, other.solution, rf"\boxed{{{item.target}}}", "No idea."):
            compared += 1
            ours = scores("math500", reply, item)["strict"]
            verified = minerva.process_results(
                {"answer": item.target, "solution": item.solution}, [reply]
            )["math_verify"]
            if ours != float(verified):
                differ.append((item.id, reply[-60:], ours, verified))
    print(f"math500: {compared} replies compared")
    assert not differ


def ifeval_replies(item: Item) -> Iterator[str]:
    text = item.prompt
    yield text
    yield text.upper()
    yield text.lower()
    yield f'"{text}"'
    yield text.replace(",", "")
    yield f"<<Title>>\n\n* {text}\n* more\n\n***\n\nP.S. That is all."
    yield f"SECTION 1\n{text}\nSECTION 2\n{text}\n\nAny other questions?"
    yield '```json\n{"a": "[b]"}\n```'
    yield f"Sure.\n{text}\n******\n*Another* one: **{text}** My answer is yes."
    yield "NASA and ESA went to the moon. They came back. It was GREAT! " * 12


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Its checker, with the sentences of the same Punkt model from a package, not a download."""
    monkeypatch.setattr(instructions_util, "count_sentences", lambda t: len(sent_tokenize(t)))
    monkeypatch.setattr("nltk.tokenize.sent_tokenize", lambda text, language: sent_tokenize(text))
    from langdetect import DetectorFactory

    monkeypatch.setattr(DetectorFactory, "seed", 0)
    return ifeval_utils


def test_ifeval_agrees(theirs: Any) -> None:
    compared, differ, excused = 0, [], 0
    for item in items("ifeval"):
        example = theirs.InputExample(
            key=item.id,
            instruction_id_list=item.target["instruction_id_list"],
            prompt=item.prompt,
            kwargs=item.target["kwargs"],
        )
        for reply in ifeval_replies(item):
            ours = scores("ifeval", reply, item)
            strict = theirs.test_instruction_following_strict(example, reply)
            loose = theirs.test_instruction_following_loose(example, reply)
            compared += 1
            expected = (
                float(strict.follow_all_instructions),
                float(loose.follow_all_instructions),
                sum(strict.follow_instruction_list) / len(strict.follow_instruction_list),
                sum(loose.follow_instruction_list) / len(loose.follow_instruction_list),
            )
            if tuple(ours.values()) == pytest.approx(expected):
                continue
            if any(not kwargs.get("letter", "a").isalpha() for kwargs in item.target["kwargs"]):
                excused += 1  # where the letter is "#" or "!", the harness counts a random one
            else:
                differ.append((item.id, example.instruction_id_list, reply[:20]))
    print(f"ifeval: {compared} replies compared, {excused} differ by a letter that is none")
    assert not differ
