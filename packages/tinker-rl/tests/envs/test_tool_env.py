"""Tools: what the model is told, what its calls come to, when an episode with tools ends."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tinker_core import Message, ToolCall
from tinker_rl import (
    Completed,
    MaxToolCalls,
    MaxTurns,
    MessageStep,
    ToolEnv,
    ToolRules,
    ToolStop,
    tool,
)
from tinker_rl.envs.tool_env import explain_tools, parse_calls


def call(name: str, arguments: str) -> Message:
    return Message(role="assistant", tool_calls=(ToolCall(name=name, arguments=arguments, id="1"),))


def grade(messages: Any) -> tuple[float, dict[str, float]]:
    return float(messages[-1].text == "5"), {"length": float(len(messages))}


@pytest.fixture
def steps(tools: Any) -> Callable[..., list[MessageStep]]:
    """The steps of an episode in which the model says these messages."""

    async def play(messages: list[Message], rules: ToolRules) -> list[MessageStep]:
        start = [{"role": "user", "content": "2+3?"}]
        env = ToolEnv(messages=start, available=tools.all, grade=grade, rules=rules)
        assert await env.initial_messages() == (Message(role="user", content="2+3?"),)
        return [await env.step(message) for message in messages]

    return lambda messages, **rules: asyncio.run(play(messages, ToolRules(**rules)))


def test_results_come_back_until_an_answer_without_a_call_is_graded(steps: Any) -> None:
    first, last = steps([call("add", '{"a": 2, "b": 3}'), Message(role="assistant", content="5")])
    assert not first.episode_done
    assert first.messages == [Message(role="tool", content="5", tool_call_id="1", name="add")]
    assert (last.episode_done, last.reward, last.stop) == (True, 1.0, Completed())
    assert last.metrics == {"length": 4.0, "tool_calls": 1.0, "bad_tool_calls": 0.0}


def test_calls_of_one_turn_are_all_answered_in_their_order(steps: Any) -> None:
    calls = [
        ToolCall(name="add", arguments='{"a": 1}', id="x"),
        ToolCall(name="nope", id="y"),
    ]
    for parallel in (True, False):
        (step,) = steps([Message(role="assistant", tool_calls=tuple(calls))], parallel=parallel)
        assert [(m.tool_call_id, m.text[:6]) for m in step.messages] == [
            ("x", "2"),
            ("y", "error:"),
        ]


def test_a_tool_may_end_the_episode(steps: Any) -> None:
    (step,) = steps([call("finish", '{"answer": "5"}')])
    assert (step.episode_done, step.stop, step.reward) == (True, ToolStop("finish"), 1.0)
    assert step.metrics["finished"] == 1.0


def test_turns_and_calls_have_limits(steps: Any) -> None:
    again = call("add", '{"a": 1}')
    assert steps([again, again], max_turns=2)[-1].stop == MaxTurns(2)
    assert steps([again, again], max_calls=1)[-1].stop == MaxToolCalls(1)


def test_a_model_without_a_form_for_tools_calls_them_in_text(tools: Any) -> None:
    async def main() -> tuple[Any, list[MessageStep]]:
        env = ToolEnv(
            messages=[
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "2+3?"},
            ],
            available=tools.all,
            grade=grade,
            rules=ToolRules(format="text"),
        )
        told = await env.initial_messages()
        said = [
            '<tool_call>{"name": "add", "arguments": {"a": 2, "b": 3}}</tool_call>',
            "<tool_call>add 2 3</tool_call>",
            "5",
        ]
        return told, [await env.step(Message(role="assistant", content=text)) for text in said]

    (system, _), (good, bad, last) = asyncio.run(main())
    assert system.text.startswith("Be brief.\n\nYou can call tools.")
    assert '"add"' in system.text
    assert good.messages == [Message(role="user", content="<tool_response>5</tool_response>")]
    assert "invalid call" in bad.messages[0].text
    assert last.reward == 1.0
    assert last.metrics["bad_tool_calls"] == 1.0


@tool
def capital(country: str) -> str:
    """Die Hauptstadt in Großbuchstaben."""
    return country


def test_tools_in_text_are_explained_and_called_without_ascii_escapes() -> None:
    (told,) = explain_tools([], [capital])
    assert "Großbuchstaben" in told.text
    text = '<tool_call>{"name": "capital", "arguments": {"country": "日本"}}</tool_call>'
    (call,) = parse_calls(Message(role="assistant", content=text)).tool_calls
    assert call.arguments == '{"country": "日本"}'
