"""A conversation as formats look at it while it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from attrs import define, field

from tinker_core import Message, ToolSpec, as_message

T = TypeVar("T")


@define(eq=False)
class Chat:
    """Messages and tools. A dictionary becomes a message when it is looked at, and stays one.

    That raises DataError for one that is no message.
    """

    given: list[Message | Mapping[str, Any]]
    tools: Sequence[ToolSpec] = ()
    _known: dict[Any, Any] = field(factory=dict, init=False)

    def __len__(self) -> int:
        return len(self.given)

    def __getitem__(self, i: int) -> Message:
        message = self.given[i]
        if not isinstance(message, Message):
            message = self.given[i] = as_message(message, where=f"messages[{i}]")
        return message

    def __iter__(self) -> Iterator[Message]:
        return (self[i] for i in range(len(self)))

    def once(self, ask: Callable[[Chat], T]) -> T:
        """What a function says of the whole chat; it is asked once, however many want to know."""
        if ask not in self._known:
            self._known[ask] = ask(self)
        answer: T = self._known[ask]
        return answer


def last_user(chat: Chat) -> int:
    """Index of the last message of the user, -1 for none."""
    places = range(len(chat) - 1, -1, -1)
    return next((i for i in places if chat[i].role == "user"), -1)


def last_finished_answer(chat: Chat) -> int:
    """Index of the last answer without a call before the last message, -1 for none.

    The last message does not count: when the model emitted it, it had not finished yet.
    """
    places = range(len(chat) - 2, -1, -1)
    answers = (i for i in places if chat[i].role == "assistant" and not chat[i].tool_calls)
    return next(answers, -1)
