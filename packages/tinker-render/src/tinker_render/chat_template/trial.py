"""Find out how a chat template writes a turn, by trials on short conversations."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from tinker_core import ConfigError, Message, RenderError, ToolSpec
from tinker_render.chat_template.marks import REASONING, TEXT, mark_of
from tinker_render.chat_template.run import ChatTemplate
from tinker_render.chat_template.tool_calls import (
    BOUNDS,
    TRIAL_CALL,
    TRIAL_TOOL,
    Readers,
    call_dicts,
    readers_of,
)

REASONING_KEYS = ("reasoning_content", "reasoning", "thinking")
THINK = ("<think>", "</think>")
_USER = {"role": "user", "content": "a"}


@frozen(kw_only=True)
class Findings:
    """The layout of a turn of the model in a chat template."""

    stop: str
    """The control token that ends a turn and occurs nowhere else in it."""
    reasoning_key: str
    """The key of a message that the template reads reasoning from."""
    opens_reasoning: bool
    """The generation prompt ends with `<think>`."""
    read_calls: Readers | None
    """None if the template writes no calls, or writes them in an unknown notation."""


def examine(template: ChatTemplate, control_tokens: Sequence[str]) -> Findings:
    """Run the trials. Raises ConfigError if the end of a turn cannot be told from its content."""
    stop = _end_of_turn(template, control_tokens)
    key, reasoned = _reasoning(template)
    read_calls, called = _calls(template)
    for turn in (reasoned, called):
        if stop in turn:
            raise ConfigError(
                f"the chat template writes {stop} inside of a turn too: {turn!r:.200}"
            )
    return Findings(
        stop=stop,
        reasoning_key=key,
        opens_reasoning=template.opening([_USER]).rstrip().endswith(THINK[0]),
        read_calls=read_calls if {*BOUNDS} <= {*control_tokens} else None,
    )


def _end_of_turn(template: ChatTemplate, control_tokens: Sequence[str]) -> str:
    """The control token behind an answer.

    Where the template ends the last answer and an earlier one alike, it is in both. Several control
    tokens may end parts of a turn: then the end of the turn is unknown.
    """
    answer = {"role": "assistant", "content": mark_of(1, TEXT)}
    follows = {"role": "user", "content": mark_of(2, TEXT)}
    last = template.run([_USER, answer]).partition(mark_of(1, TEXT))[2]
    earlier = template.run([_USER, answer, follows]).partition(mark_of(1, TEXT))[2]
    alike = _common_prefix(last, earlier.partition(mark_of(2, TEXT))[0])
    longest_first = sorted(control_tokens, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")
    found = pattern.findall(alike) or pattern.findall(last)
    if not found:
        raise ConfigError("the chat template ends an answer without a control token")
    if len(found) > 1:
        raise ConfigError(
            f"the chat template ends an answer with several control tokens, {last!r}: which of them"
            " ends the turn is unknown"
        )
    return str(found[0])


def _reasoning(template: ChatTemplate) -> tuple[str, str]:
    """The key of reasoning, and a turn up to its text; the turn is "" if there is no reasoning."""
    for key in REASONING_KEYS:
        answer = {"role": "assistant", "content": mark_of(1, TEXT), key: mark_of(1, REASONING)}
        turn = _turn(template, answer).partition(mark_of(1, TEXT))[0]
        if mark_of(1, REASONING) in turn:
            return key, turn
    return REASONING_KEYS[0], ""


def _calls(template: ChatTemplate) -> tuple[Readers | None, str]:
    """The reader of calls, and a turn up to the end of its call."""
    message = Message(role="assistant", tool_calls=(TRIAL_CALL,))
    called = {"role": "assistant", "content": "", "tool_calls": call_dicts(message, str)}
    for tools in ((), (TRIAL_TOOL,)):
        turn = _turn(template, called, tools)
        if readers := readers_of(turn):
            return readers, turn.rpartition(BOUNDS[1])[0] + BOUNDS[1]
    return None, ""


def _turn(template: ChatTemplate, answer: Mapping[str, Any], tools: Sequence[ToolSpec] = ()) -> str:
    """The output of the template for an answer behind its prompt; "" if it refuses."""
    try:
        prompt = template.run([_USER], tools, prompt=True)
        written = template.run([_USER, answer], tools)
    except RenderError:
        return ""
    return written[len(_common_prefix(prompt, written)) :]


def _common_prefix(a: str, b: str) -> str:
    length = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), None)
    return min(a, b, key=len) if length is None else a[:length]
