"""A conversation as formats read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from attrs import define, field

from tinker_core import Message, Role, ToolSpec, as_message

T = TypeVar("T")


@define(eq=False)
class Chat:
    """Messages and tools.

    A dictionary is converted to a message when it is first read, which raises DataError for an
    invalid one. In the chat of a prompt, the last message is the empty one that is to be written.
    """

    given: list[Message | Mapping[str, Any]]
    tools: Sequence[ToolSpec] = ()
    is_prompt: bool = False
    _cached: dict[Any, Any] = field(factory=dict, init=False)

    def __len__(self) -> int:
        return len(self.given)

    def __getitem__(self, i: int) -> Message:
        message = self.given[i]
        if not isinstance(message, Message):
            message = self.given[i] = as_message(message, where=f"messages[{i}]")
        return message

    def __iter__(self) -> Iterator[Message]:
        return (self[i] for i in range(len(self)))

    def cached(self, compute: Callable[[Chat], T]) -> T:
        """`compute(self)`, computed once per chat."""
        if compute not in self._cached:
            self._cached[compute] = compute(self)
        result: T = self._cached[compute]
        return result

    def prompt(self, role: Role) -> Chat:
        """The chat of a prompt for a message of `role` behind these messages."""
        return Chat([*self.given, Message(role=role)], self.tools, is_prompt=True)


def last_user(chat: Chat) -> int:
    """Index of the last user message, -1 if there is none."""
    indices = range(len(chat) - 1, -1, -1)
    return next((i for i in indices if chat[i].role == "user"), -1)


def last_finished_answer(chat: Chat) -> int:
    """Index of the last answer without a tool call before the last message, -1 if there is none.

    The last message does not count: the model had not finished it when it emitted its tokens.
    """
    indices = range(len(chat) - 2, -1, -1)
    answers = (i for i in indices if chat[i].role == "assistant" and not chat[i].tool_calls)
    return next(answers, -1)


def opens_tool_block(chat: Chat, i: int) -> bool:
    """True if tool message i is the first of adjacent tool messages."""
    return i == 0 or chat[i - 1].role != "tool"


def closes_tool_block(chat: Chat, i: int) -> bool:
    """True if tool message i is the last of adjacent tool messages."""
    return i == len(chat) - 1 or chat[i + 1].role != "tool"
