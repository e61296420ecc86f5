"""`User: text`, a blank line, `Assistant: text`: for base models, which know no chat format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from tinker_core import Malformed, Message, Reply, ToolSpec
from tinker_render.format.chat import Chat
from tinker_render.format.message_text import only_text, refuse, refuse_tools
from tinker_render.parsing.turn import text_reply
from tinker_render.segments import SegmentWriter
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
    """The model ends its turn with the header `User:`, which is a stop string.

    Headers are plain text here: text of a user that contains a header looks like a message.
    """

    bos: str | None
    """The token in front of every conversation, if the tokenizer adds one."""
    stop = ("\n\nUser:",)

    @property
    def control_tokens(self) -> tuple[str, ...]:
        """The BOS token, if there is one."""
        return () if self.bos is None else (self.bos,)

    def begin(self, writer: SegmentWriter, chat: Chat) -> None:
        """Write the BOS token, if there is one."""
        if chat.tools:
            raise refuse_tools("role_colon")
        if self.bos is not None:
            writer.header(self.bos)

    def message(self, writer: SegmentWriter, chat: Chat, i: int) -> None:
        """Write header and text. An assistant message ends with the header of the user."""
        message = chat[i]
        if message.role not in _HEADERS:
            raise refuse(i, message, "role_colon has no form for a tool message")
        if message.role != "user" or i == 0 or chat[i - 1].role != "assistant":
            writer.header(_HEADERS[message.role])
        writer.text(f" {self._text(i, message)}{_SEPARATOR}")
        last = i == len(chat) - 1
        if message.role == "assistant" and (last or chat[i + 1].role == "user"):
            writer.text(_HEADERS["user"])

    def read(self, pieces: Sequence[Piece], tools: Sequence[ToolSpec]) -> Reply | Malformed:
        """Read the text without the space behind the header."""
        outcome = text_reply(pieces)
        text = outcome.message.text.removeprefix(" ")
        return evolve(outcome, message=Message(role="assistant", content=text))

    def stable_prefix(self, chat: Chat) -> int:
        """All but the last message: it ends with `User:` only if a user message follows."""
        return len(chat) - 1

    def _text(self, index: int, message: Message) -> str:
        text = only_text(index, message, "role_colon")
        if message.role == "assistant" and self.stop[0] in f"{text}{_SEPARATOR}":
            raise refuse(index, message, f"the text contains {self.stop[0]!r}, which ends a turn")
        return text


def role_colon(tokenizer: PreTrainedTokenizerBase, *_: object) -> RoleColon:
    """The format with the BOS token of the tokenizer, if it adds one."""
    begins_with = tokenizer.encode("", add_special_tokens=True)[:1]
    return RoleColon(tokenizer.bos_token if begins_with == [tokenizer.bos_token_id] else None)
