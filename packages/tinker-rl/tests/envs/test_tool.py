"""Tools from typed functions, and their calls."""

import asyncio
from typing import Annotated, Literal

import pytest

from tinker_core import ConfigError, ToolCall
from tinker_rl import (
    ToolError,
    ToolResult,
    tool,
)
from tinker_rl.envs.tool import by_name, run_call


@tool
def add(a: int, b: Annotated[int, "what to add"] = 1) -> int:
    """Add two numbers."""
    return a + b


@tool
async def look_up(word: str, kind: Literal["noun", "verb"] = "noun") -> str:
    """Look a word up."""
    if word == "down":
        raise ConnectionError("dictionary down")
    if word == "none":
        raise ToolError("no such word")
    return f"{word} is a {kind}"


@tool
def finish(answer: str) -> ToolResult:
    """Give the answer."""
    return ToolResult(text=answer, stop=True, metrics={"finished": 1.0})


TOOLS = (add, look_up, finish)


def result(name: str, arguments: str) -> ToolResult:
    return asyncio.run(run_call(by_name(TOOLS), ToolCall(name=name, arguments=arguments)))


def test_a_typed_function_describes_itself() -> None:
    assert add.spec.name == "add"
    assert add.spec.description == "Add two numbers."
    assert add.spec.parameters == {
        "type": "object",
        "properties": {
            "a": {"type": "integer"},
            "b": {"type": "integer", "default": 1, "description": "what to add"},
        },
        "required": ["a"],
        "additionalProperties": False,
    }
    assert look_up.spec.parameters["properties"]["kind"]["enum"] == ["noun", "verb"]
    assert add(2, 3) == 5


def test_a_call_runs_the_function_plain_or_async() -> None:
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
def test_a_bad_call_tells_the_model_what_is_wrong(name: str, arguments: str, told: str) -> None:
    found = result(name, arguments)
    assert found.is_error
    assert told in found.text


def test_a_broken_world_is_not_the_models_fault() -> None:
    with pytest.raises(ConnectionError):
        result("look_up", '{"word": "down"}')


def test_a_function_that_cannot_be_described_is_refused() -> None:
    with pytest.raises(ConfigError, match="parameter x has no type"):

        @tool
        def untyped(x) -> None:  # type: ignore[no-untyped-def]
            """Untyped."""

    with pytest.raises(ConfigError, match="has no JSON schema"):

        @tool
        def many(*xs: int) -> None:
            """Many."""

    with pytest.raises(ConfigError, match="same name"):
        by_name([add, add])


@tool
def capital(country: str) -> dict[str, str]:
    """Die Hauptstadt, in Großbuchstaben."""
    return {"name": f"Zürich/{country}"}


def test_results_are_written_without_ascii_escapes() -> None:
    call = ToolCall(name="capital", arguments='{"country": "日本"}')
    assert asyncio.run(run_call(by_name([capital]), call)).text == '{"name": "Zürich/日本"}'
