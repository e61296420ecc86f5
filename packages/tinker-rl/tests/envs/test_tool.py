"""Tools from typed functions, and their calls."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tinker_core import ConfigError, ToolCall
from tinker_rl import (
    ToolResult,
    tool,
)
from tinker_rl.envs.tool import by_name, run_call


@pytest.fixture
def result(tools: Any) -> Callable[[str, str], ToolResult]:
    """The result of a call."""

    def of_call(name: str, arguments: str) -> ToolResult:
        return asyncio.run(run_call(by_name(tools.all), ToolCall(name=name, arguments=arguments)))

    return of_call


def test_a_typed_function_describes_itself(tools: Any) -> None:
    assert tools.add.spec.name == "add"
    assert tools.add.spec.description == "Add two numbers."
    assert tools.add.spec.parameters == {
        "type": "object",
        "properties": {
            "a": {"type": "integer"},
            "b": {"type": "integer", "default": 1, "description": "what to add"},
        },
        "required": ["a"],
        "additionalProperties": False,
    }
    assert tools.look_up.spec.parameters["properties"]["kind"]["enum"] == ["noun", "verb"]
    assert tools.add(2, 3) == 5


def test_a_call_runs_the_function_plain_or_async(result: Any) -> None:
    assert result("add", '{"a": 2, "b": 3}').text == "5"
    assert result("add", '{"a": 2}').text == "3"
    assert result("look_up", '{"word": "run", "kind": "verb"}').text == "run is a verb"


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("subtract", "{}", "unknown tool 'subtract'; the tools are: add, finish, look_up"),
        ("add", "{", "not JSON"),
        ("add", "[]", "not a JSON object"),
        ("add", "{}", "a: Field required"),
        ("add", '{"a": "x"}', "a: Input should be a valid integer"),
        ("add", '{"a": 1, "c": 2}', "c: Extra inputs are not permitted"),
        ("look_up", '{"word": "none"}', "ToolError: no such word"),
    ],
)
def test_a_bad_call_tells_the_model_what_is_wrong(
    name: str, arguments: str, told: str, result: Any
) -> None:
    found = result(name, arguments)
    assert found.is_error
    assert told in found.text


def test_a_broken_world_is_not_the_models_fault(result: Any) -> None:
    with pytest.raises(ConnectionError):
        result("look_up", '{"word": "down"}')


def test_a_function_that_cannot_be_described_is_refused(tools: Any) -> None:
    with pytest.raises(ConfigError, match="parameter x has no type"):

        @tool
        def untyped(x) -> None:  # type: ignore[no-untyped-def]
            """Untyped."""

    with pytest.raises(ConfigError, match="has no JSON schema"):

        @tool
        def many(*xs: int) -> None:
            """Many."""

    with pytest.raises(ConfigError, match="same name"):
        by_name([tools.add, tools.add])


@tool
def capital(country: str) -> dict[str, str]:
    """Die Hauptstadt, in Großbuchstaben."""
    return {"name": f"Zürich/{country}"}


def test_results_are_written_without_ascii_escapes() -> None:
    call = ToolCall(name="capital", arguments='{"country": "日本"}')
    assert asyncio.run(run_call(by_name([capital]), call)).text == '{"name": "Zürich/日本"}'
