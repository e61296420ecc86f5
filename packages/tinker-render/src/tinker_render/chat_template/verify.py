"""Verify that a chat template wrote a message completely, and that its calls are parsed again."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tinker_core import Message, ToolCall
from tinker_core.strict_json import parse_json
from tinker_render.chat_template.marks import MARK, TEXT, Texts, mark_of
from tinker_render.chat_template.tool_calls import BOUNDS, ReadCall, strings_of
from tinker_render.format.message_text import refuse
from tinker_render.tools.arguments import write_json

_CALL = re.compile("(?s:{}.*?{})".format(*map(re.escape, BOUNDS)))


def verify_complete(i: int, message: Message, written: str) -> None:
    """Raise RenderError if the text of the message or a string of its calls is missing."""
    if message.text.strip() and mark_of(i, TEXT) not in written:
        raise refuse(i, message, "the chat template drops its text")
    for n, string in enumerate(strings_of(message)):
        if mark_of(i, f"-{n}") not in written:
            raise refuse(i, message, f"the chat template drops {string!r:.80} of a tool call")


def verify_turn(
    i: int, message: Message, turn: str, behind: str, stop: str, *, known: Sequence[str]
) -> None:
    """Raise RenderError for a turn that would be parsed as another message.

    The token that ends it occurs once. Apart from the texts and calls of the message, it has no
    text but white space and the `known` control tokens.
    """
    if turn.count(stop) > 1 or stop in behind:
        raise refuse(i, message, f"the chat template writes {stop} inside of the turn too")
    rest = MARK.sub("", _CALL.sub("", turn) if message.tool_calls else turn)
    for token in (stop, *known):
        rest = rest.replace(token, "")
    if rest.strip():
        beside = f"the chat template writes {rest.strip()!r:.80} beside the parts of the message"
        raise refuse(i, message, f"{beside}: a reply with it is parsed as another message")


def verify_calls(i: int, message: Message, turn: str, texts: Texts, read: ReadCall) -> None:
    """Raise RenderError if a call is parsed otherwise than it was given."""
    written = [part.partition(BOUNDS[1])[0] for part in turn.split(BOUNDS[0])[1:]]
    filled = [MARK.sub(lambda mark: texts[mark[0]], part) for part in written]
    parsed = [read(part) for part in filled]
    given = [_comparable(call) for call in message.tool_calls]
    if [_comparable(call) if isinstance(call, ToolCall) else None for call in parsed] != given:
        raise refuse(i, message, f"the chat template writes calls that read otherwise: {filled}")


def _comparable(call: ToolCall) -> tuple[str, dict[str, str]]:
    """Name and arguments as texts: a notation may not tell "5" from 5."""
    arguments = parse_json(call.arguments)
    return call.name, {key: write_json(value) for key, value in arguments.items()}
