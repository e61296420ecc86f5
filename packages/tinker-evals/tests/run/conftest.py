"""A task of 25 sums, and helpers to run it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from tinker_evals import (
    Item,
    JsonlFile,
    Model,
    Retry,
    Settings,
    Task,
    TaskResult,
    graders,
    run_task,
)


def read(row: Mapping[str, Any], number: int) -> Item:
    """A sum; its cluster is the row's, its group the first number."""
    a, b = row["a"], row["b"]
    return Item(
        id=f"{a}+{b}",
        prompt=f"{a}+{b}=?",
        target=str(a + b),
        solution=f"#### {a + b}",
        cluster=row.get("cluster"),
        group=f"{a} first",
    )


@pytest.fixture
def task(tmp_path: Path) -> Task:
    """Sums of two digits: 0+0 to 4+4."""
    rows = [{"a": a, "b": b} for a in range(5) for b in range(5)]
    file = tmp_path / "sums.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Task(name="sums", summary="", source=JsonlFile(file), read=read, grader=graders.hashes)


@pytest.fixture
def run() -> Callable[..., TaskResult]:
    """Runs a task, without pauses between attempts."""

    def run(task: Task, model: Model, settings: Settings | None = None, **more: Any) -> TaskResult:
        settings = evolve(settings or Settings(), retry=Retry(backoff_s=0.0))
        return asyncio.run(run_task(task, model, settings, **more))

    return run


@pytest.fixture
def asked() -> Callable[[Model], list[str]]:
    """The sums that a model was asked, in order."""

    def asked(model: Model) -> list[str]:
        texts = model.client.asked  # type: ignore[attr-defined]
        return [re.findall(r"(\d\+\d)=", text)[-1] for text in texts]

    return asked


def answer(text: str, number: int) -> str:
    """The right answer to a prompt."""
    a, b = re.findall(r"(\d)\+(\d)=", text)[-1]
    return f"#### {int(a) + int(b)}"


@pytest.fixture
def right() -> Callable[[str, int], str]:
    """A script that answers every sum."""
    return answer


@pytest.fixture
def failing() -> Callable[..., Callable[[str, int], Any]]:
    """Makes a script that fails some times on one sum, and answers every other."""

    def make(error: Exception, times: int, what: str = "3+3") -> Callable[[str, int], Any]:
        left = [times]

        def script(text: str, number: int) -> str | Exception:
            if what in text and left[0] > 0:
                left[0] -= 1
                return error
            return answer(text, number)

        return script

    return make
