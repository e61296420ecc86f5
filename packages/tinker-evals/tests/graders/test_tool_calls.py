"""Tool calls are right when the leaderboard's rules say so, as written down here by hand."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from tinker_core import ConfigError, Message, ToolCall
from tinker_evals import (
    Item,
    Model,
    Sampling,
    Settings,
    Shipped,
    load_items,
    read_task_run,
    run_task,
)
from tinker_evals.graders.grade import Grade
from tinker_evals.graders.tool_calls import CallGrader, written_calls
from tinker_evals.run.prompts import Prompter
from tinker_evals.tasks.bfcl import bfcl

ITEMS = {item.group: item for item in load_items(bfcl, Shipped("bfcl"))}
ROUTE = {"start": "Ulm", "end": "Linz", "vehicle": "bicycle"}
BOOK = ("table_book", {"guests": 4, "wishes": {"without": ["milk", "nuts"]}})
SEND = ("address_send", {"to": "ada"})
LIGHT = ("light_switch", {"on": True})


def grade(category: str, *calls: tuple[str, dict[str, Any]], text: str = "") -> Grade:
    message = Message(
        role="assistant",
        content=text,
        tool_calls=[
            ToolCall(id=str(i), name=name, arguments=json.dumps(arguments))
            for i, (name, arguments) in enumerate(calls)
        ],
    )
    return asyncio.run(CallGrader().grade_message(message, ITEMS[category]))


@pytest.mark.parametrize(
    ("category", "calls", "right"),
    [
        ("simple_python", [("route_length", ROUTE)], True),
        ("simple_python", [("route_length", {**ROUTE, "unit": "km", "start": "ULM "})], True),
        ("simple_python", [("route_length", {**ROUTE, "unit": "miles"})], False),
        ("simple_python", [("route_length", {"start": "Ulm", "end": "Linz"})], False),
        ("simple_python", [("route_length", {**ROUTE, "fast": True})], False),
        ("simple_python", [("route", ROUTE)], False),
        ("simple_python", [("route_length", ROUTE)] * 2, False),
        ("simple_python", [], False),
        ("multiple", [("price_total", {"count": 3, "price": 12.5})], True),
        ("multiple", [("price_total", {"count": 3.0, "price": 12.5})], False),
        ("multiple", [("price_total", {"count": "3", "price": 12.5})], False),
        ("multiple", [("price_mean", {"prices": [12.5] * 3})], False),
        ("parallel", [("list_add", {"thing": "bread"}), ("list_add", {"thing": "Milk"})], True),
        ("parallel", [("list_add", {"thing": "milk"})] * 2, False),
        ("parallel", [("list_add", {"thing": "milk"})], False),
        ("parallel_multiple", [SEND, BOOK], True),
        ("parallel_multiple", [SEND, ("table_book", {"guests": 4})], False),
        ("parallel_multiple", [BOOK, ("address_send", {"to": "Ada", "again": 0})], False),
        ("irrelevance", [LIGHT], False),
        ("live_relevance", [LIGHT], True),
        ("live_relevance", [], False),
    ],
)
def test_a_call_is_right_by_its_name_and_all_its_arguments(category, calls, right) -> None:
    assert grade(category, *calls).scores == {"strict": float(right), "lenient": float(right)}


def test_where_no_call_is_wanted_the_model_has_to_say_something() -> None:
    assert grade("irrelevance", text="Lima.").scores["strict"] == 1
    assert grade("irrelevance").scores["strict"] == 0


def test_calls_that_stand_as_json_in_the_text_count_for_the_lenient_score_alone() -> None:
    text = f"Sure: {json.dumps({'name': 'route_length', 'arguments': ROUTE})}"
    assert grade("simple_python", text=text).scores == {"strict": 0, "lenient": 1}
    assert list(written_calls('{x} [{"name": "f", "arguments": {}}, {"a": 1}] {"name": 3')) == [
        ("f", {})
    ]


def test_a_tool_is_offered_by_a_json_schema_and_a_name_without_a_dot() -> None:
    (tool,) = ITEMS["simple_python"].tools
    assert (tool["name"], tool["parameters"]["type"]) == ("route_length", "object")
    price = ITEMS["multiple"].tools[1]["parameters"]["properties"]["prices"]
    assert price == {"type": "array", "items": {"type": "number"}, "description": "The prices."}


def test_a_run_offers_the_tools_and_keeps_the_calls(
    tmp_path, calling: Callable[..., Model]
) -> None:
    call = {"name": "route_length", "arguments": ROUTE}
    model = calling(f"<tool_call>\n{json.dumps(call)}\n</tool_call>")
    settings, source = Settings(sampling=Sampling(max_tokens=500)), Shipped("bfcl")
    result = asyncio.run(run_task(bfcl, model, settings, source=source, folder=tmp_path))
    assert result.summary.groups["simple_python"].value == 1
    assert result.summary.groups["live_relevance"].value == 1
    assert result.summary.groups["irrelevance"].value == 0
    prompts = model.client.asked  # type: ignore[attr-defined]
    assert "route_length" in prompts[0]
    assert "You are a helpful assistant." in prompts[4]  # an earlier message of the row
    assert read_task_run(tmp_path).samples[0].reply == f"route_length({json.dumps(ROUTE)})"


def test_text_that_is_continued_has_no_tools(scripted: Callable[..., Model]) -> None:
    prompter = Prompter.of(bfcl, scripted("").renderer, Sampling(style="text"))
    item: Item = ITEMS["multiple"]
    with pytest.raises(ConfigError, match="bfcl has tools"):
        prompter.prompt(item)
