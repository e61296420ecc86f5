"""Tool calls: the single-turn Python part of the Berkeley Function Calling Leaderboard, version 4.

A row holds a question and its key: `{"id", "category", "question": [[messages]], "function":
[tools], "ground_truth": [calls]}`. Categories without a key have no `ground_truth`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from tinker_core import DataError
from tinker_evals.dataset.item import Item
from tinker_evals.dataset.sources import Package, Row
from tinker_evals.graders.tool_calls import CallGrader
from tinker_evals.tasks.task import Task

CATEGORIES = (
    *("simple_python", "multiple", "parallel", "parallel_multiple", "irrelevance"),
    *("live_simple", "live_multiple", "live_parallel", "live_parallel_multiple"),
    *("live_irrelevance", "live_relevance"),
)
_WITHOUT_KEY = {"irrelevance": False, "live_irrelevance": False, "live_relevance": True}
"""Categories without a key, and whether a call is right there."""
_TYPES = {"dict": "object", "float": "number", "tuple": "array", "any": "string"}
"""Type names of the data, and those of JSON schema."""


@frozen
class BfclPackage:
    """The files in the leaderboard's package, questions joined with their keys."""

    def rows(self) -> list[Mapping[str, Any]]:
        """Read them; raises ConfigError where the package is not installed."""
        return [row for category in CATEGORIES for row in self._category(category)]

    def _category(self, category: str) -> list[Mapping[str, Any]]:
        name = f"BFCL_v4_{category}.json"
        rows: list[Mapping[str, Any]] = [
            {**row, "category": category} for row in _file(f"bfcl_eval/data/{name}")
        ]
        if category in _WITHOUT_KEY:
            return rows
        keys = {row["id"]: row for row in _file(f"possible_answer/{name}")}
        return [{**row, "ground_truth": keys[row["id"]]["ground_truth"]} for row in rows]

    def __str__(self) -> str:
        return "package:bfcl-eval/BFCL_v4"


def _file(path: str) -> list[Mapping[str, Any]]:
    # Its hundred dependencies are clients of model APIs; only the files are read.
    return Package("bfcl-eval", path, install="--no-deps bfcl-eval").rows()


def _read(row: Row, number: int) -> Item:
    *earlier, last = row["question"][0]
    if last["role"] != "user":
        raise DataError(f"the last message is {last['role']}'s, not the user's", field="question")
    category = row["category"]
    calls = [] if category in _WITHOUT_KEY else row["ground_truth"]
    return Item(
        id=row["id"],
        prompt=last["content"],
        earlier=tuple(earlier),
        tools=tuple(_tool(function) for function in row["function"]),
        target={
            "calls": [{_name(k): v for k, v in call.items()} for call in calls],
            "any": _WITHOUT_KEY.get(category, False),
        },
        group=category,
    )


def _tool(function: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": _name(function["name"]),
        "description": function["description"],
        "parameters": _schema(function["parameters"]),
    }


def _name(name: str) -> str:
    """Without dots, which some formats do not allow in names. The leaderboard does the same."""
    return name.replace(".", "_")


def _schema(value: Any) -> Any:
    if isinstance(value, list):
        return [_schema(each) for each in value]
    if not isinstance(value, dict):
        return value
    schema = {key: _schema(each) for key, each in value.items()}
    if isinstance(kind := schema.get("type"), str):
        schema["type"] = _TYPES.get(kind.lower(), kind.lower())
    return schema


bfcl = Task(
    name="bfcl",
    summary="3,491 requests to call tools, or not to (package bfcl-eval, Apache-2.0)",
    source=BfclPackage(),
    read=_read,
    grader=CallGrader(),
)
