"""`User: text`, two newlines, `Assistant: text`: for models that know no chat format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from tinker_core import Malformed, Message, RenderError, Reply, Role, ToolSpec
from tinker_render.format.chat import Chat
from tinker_render.format.message_text import only_text, refuse
from tinker_render.parsing.turn import as_text
from tinker_render.segments import Stream
from tinker_render.tokenizer.codec import Piece

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SEPARATOR = "\n\n"
_HEADERS = {
    "system": "System:",
    "developer": "Developer:",
    "user": "User:",
    "assistant": "Assistant:",
}


@frozen
class RoleColon:
    """The model ends its turn by beginning the user's, so the header `User:` is its to emit."""

    bos: str | None
    """Begins every conversation, if the tokenizer itself begins texts so."""
    stop = ("\n\nUser:",)

    @property
    def markers(self) -> tuple[str, ...]:
        """The tokenizer's beginning of text, at most."""
        return () if self.bos is None else (self.bos,)

    def begin(self, stream: Stream, chat: Chat) -> None:
        """The beginning of a text, where the tokenizer has one."""
        if chat.tools:
            raise RenderError("role_colon has no form for tools")
        if self.bos is not None:
            stream.frame(self.bos)

    def message(self, stream: Stream, chat: Chat, i: int) -> None:
        """The text after its header, which the assistant has emitted where it is `User:`."""
        message = chat[i]
        if message.role != "user" or i == 0 or chat[i - 1].role != "assistant":
            stream.frame(self._header(i, message))
        stream.text(f" {self._text(i, message)}{_SEPARATOR}")
        last = i == len(chat) - 1
        if message.role == "assistant" and (last or chat[i + 1].role == "user"):
            stream.text(_HEADERS["user"])

    def open(self, stream: Stream, chat: Chat, role: Role) -> None:
        """The header, where the assistant has not emitted it."""
        if chat[-1].role == "assistant" and role != "user":
            raise RenderError("role_colon: after the assistant only the user can speak")
        if chat[-1].role != "assistant":
            stream.frame(self._header(len(chat), Message(role=role)))

    def read(self, pieces: Sequence[Piece], tools: Sequence[ToolSpec]) -> Reply | Malformed:
        """The text without the space before it."""
        outcome = as_text(pieces)
        text = outcome.message.text.removeprefix(" ")
        return evolve(outcome, message=Message(role="assistant", content=text))

    def settled(self, chat: Chat) -> int:
        """All but the last: `User:` stays there only if it is the user who goes on."""
        return len(chat) - 1

    def _header(self, index: int, message: Message) -> str:
        if message.role not in _HEADERS:
            raise refuse(index, message, "role_colon has no form for a tool's answer")
        return _HEADERS[message.role]

    def _text(self, index: int, message: Message) -> str:
        text = only_text(index, message, "role_colon")
        if message.role == "assistant" and self.stop[0] in f"{text}{_SEPARATOR}":
            raise refuse(index, message, f"the text contains {self.stop[0]!r}, which ends a turn")
        return text


def role_colon(tokenizer: PreTrainedTokenizerBase, *_: object) -> RoleColon:
    """With a beginning-of-text token where the tokenizer adds one."""
    begins_with = tokenizer.encode("", add_special_tokens=True)[:1]
    return RoleColon(tokenizer.bos_token if begins_with == [tokenizer.bos_token_id] else None)
