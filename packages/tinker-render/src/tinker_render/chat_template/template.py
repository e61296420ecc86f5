"""Any other model: what its tokenizer's own chat template makes of a conversation.

A template is a program that writes text. To know where each token comes from, every text in the
conversation is replaced by a mark, the template run on that, and the marks in its output say where
the texts stand. That this tells the truth is checked for each conversation: put back, the
texts must give what the template writes without marks. Where they do not, it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from tinker_core import ConfigError, Malformed, Message, RenderError, Reply, Role, ToolSpec
from tinker_render.chat_template.marks import (
    BEGINS,
    MARK,
    REASONING,
    TEXT,
    Texts,
    as_dicts,
    index_of,
    is_of_call,
    mark_of,
    texts_of,
    ways_of,
)
from tinker_render.chat_template.tool_calls import (
    BOUNDS,
    TRIAL,
    Readers,
    call_dicts,
    reader_of,
)
from tinker_render.format.chat import Chat
from tinker_render.format.message_text import refuse
from tinker_render.parsing.turn import Notation, read_turn
from tinker_render.segments import Segment, Stream
from tinker_render.tokenizer.codec import Piece, control_tokens
from tinker_render.tools.json_calls import openai_tool, to_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_NOT_TODAY = "{% macro strftime_now(format) %}26 Jul 2024{% endmacro %}"


@frozen(eq=False)
class Template:
    """A chat template, and what a trial on one exchange has shown of it."""

    tokenizer: PreTrainedTokenizerBase
    markers: tuple[str, ...] = field(init=False)
    stop: tuple[str, ...] = field(init=False)
    opening: str = field(init=False)
    """What a generation prompt adds behind a message of the user."""
    _read_calls: Readers | None = field(init=False)
    """None where the template writes no calls, or none that we could read again."""

    def __attrs_post_init__(self) -> None:
        template = self.tokenizer.chat_template
        if not template:
            name = self.tokenizer.name_or_path
            raise ConfigError(f"the tokenizer {name!r} has no chat template: role_colon?")
        source = template if isinstance(template, str) else "".join(template.values())
        put = object.__setattr__  # the class is frozen
        put(self, "markers", tuple(sorted(control_tokens(self.tokenizer, source))))
        put(self, "stop", (self._end_of_answer(),))
        put(self, "opening", self._opening([Message(role="user", content="a")], ()))
        put(self, "_read_calls", self._reader_of_calls())

    def begin(self, stream: Stream, chat: Chat) -> None:
        """Nothing: what stands before the first message is taken for its header."""

    def message(self, stream: Stream, chat: Chat, i: int) -> None:
        """Its part of what the template writes of the whole chat."""
        stream.segments += chat.once(self._written)[i]

    def open(self, stream: Stream, chat: Chat, role: Role) -> None:
        """What the template adds where it is asked for a generation prompt."""
        if role != "assistant":
            raise RenderError(f"a chat template opens an assistant's message, not a {role}'s")
        stream.frame(self._opening([*chat], ()))

    def read(self, pieces: Sequence[Piece], tools: Sequence[ToolSpec]) -> Reply | Malformed:
        """Reasoning where the vocabulary has `<think>`, newlines at its bounds dropped; text."""
        thinks = "<think>" in self.markers
        notation = Notation(
            think=("<think>", "</think>") if thinks else None,
            call=BOUNDS if self._read_calls else None,
            read_call=self._read_calls(tools) if self._read_calls else None,
        )
        turn = read_turn(pieces, notation)
        text = turn.text.rstrip("\n") if turn.calls or turn.unparsed else turn.text
        if turn.thinking is None:
            return evolve(turn, text=text).outcome()
        return evolve(turn, thinking=turn.thinking.strip("\n"), text=text.lstrip("\n")).outcome()

    def settled(self, chat: Chat) -> int:
        """None: nobody knows what a template does to a message when others follow."""
        return 0

    def _written(self, chat: Chat) -> list[list[Segment]]:
        """The segments of each message: the template's text, taken apart at the marks."""
        messages, tools = [*chat], chat.tools
        self._check_names(messages, tools)
        marked = self._run(as_dicts(messages, texts_of(messages)), tools)
        texts = self._as_written(marked, messages, tools)
        prompt = self._prompt_of_last(marked, messages, tools)
        streams: list[Stream] = []
        at = 0
        for i, message in enumerate(messages):
            stop = self._end_of_message(marked, i)
            written = marked[at:stop]
            if message.role != "assistant":
                given = written.index(BEGINS)
            elif prompt is not None and i == len(messages) - 1:
                given = len(prompt) - at
            else:
                given = self._end_of_opening(written)
            streams.append(Stream())
            streams[-1].turn(i, sampled=message.role == "assistant")
            _write_message(streams[-1], written, given, texts)
            at = stop
        streams[-1].frame(marked[at:])
        return [stream.segments for stream in streams]

    def _run(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[ToolSpec], prompt: bool = False
    ) -> str:
        from jinja2 import TemplateError

        declared: list[Any] | None = [openai_tool(tool) for tool in tools] or None
        source = self.tokenizer.get_chat_template(None, declared)
        try:
            text = self.tokenizer.apply_chat_template(
                [dict(message) for message in messages],
                chat_template=_NOT_TODAY + source,
                tools=declared,
                add_generation_prompt=prompt,
                tokenize=False,
            )
        except (TemplateError, TypeError) as error:
            raise RenderError(f"the chat template refuses the conversation: {error}") from error
        return str(text)

    def _end_of_answer(self) -> str:
        exchange = [_said("user", "a"), _said("assistant", mark_of(1, TEXT))]
        behind = self._run(exchange, ()).partition(mark_of(1, TEXT))[2]
        found = [(behind.index(marker), marker) for marker in self.markers if marker in behind]
        if not found:
            raise ConfigError("the chat template ends an answer without a control token")
        return min(found)[1]

    def _reader_of_calls(self) -> Readers | None:
        if not {*BOUNDS} <= {*self.markers}:
            return None
        trial = Message(role="assistant", tool_calls=(TRIAL,))
        called = {"role": "assistant", "content": "", "tool_calls": call_dicts(trial, str)}
        try:
            written = self._run([_said("user", "a"), called], ())
        except RenderError:
            return None
        return reader_of(written.removeprefix(self._run([_said("user", "a")], ())))

    def _opening(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> str:
        """What a generation prompt adds to the text."""
        marked = as_dicts(messages, texts_of(messages))
        closed, opened = self._run(marked, tools), self._run(marked, tools, prompt=True)
        if not opened.startswith(closed) or closed == opened:
            raise RenderError("the chat template's generation prompt does not extend its text")
        return opened[len(closed) :]

    def _prompt_of_last(
        self, marked: str, messages: Sequence[Message], tools: Sequence[ToolSpec]
    ) -> str | None:
        """What the model was given when it emitted the last message; None if it did not."""
        *before, last = messages
        if last.role != "assistant" or not before:
            return None
        n = len(before)
        prompt = self._run(as_dicts(before, texts_of(before)), tools, prompt=True)
        if not marked.startswith(prompt):
            raise refuse(n, last, "the chat template does not write it behind its prompt")
        if mark_of(n, REASONING) in texts_of(messages) and mark_of(n, REASONING) not in marked:
            raise refuse(n, last, "the chat template drops its reasoning")
        return prompt

    def _end_of_opening(self, written: str) -> int:
        """How much of an earlier message of the assistant its prompt supplied.

        That is the opening, or its beginning: a template may open reasoning for the last message
        alone.
        """
        opening = self.opening
        first = [opening.index(m) + len(m) for m in self.markers if m in opening]
        for length in range(len(opening), min(first, default=len(opening)) - 1, -1):
            at = written.find(opening[:length])
            if at >= 0:
                return at + length
        raise RenderError(f"the chat template writes an answer without its opening {opening!r}")

    def _as_written(
        self, marked: str, messages: Sequence[Message], tools: Sequence[ToolSpec]
    ) -> Texts:
        """The texts as the template writes them: to the letter, or trimmed in some way."""
        texts = texts_of(messages)
        pieces = MARK.split(marked)
        pattern = "".join(ways_of(texts[p]) if p in texts else re.escape(p) for p in pieces)
        match = re.fullmatch(pattern, self._run(as_dicts(messages, texts, real=True), tools))
        if match is None:
            raise RenderError("the chat template does more with a message's text than trim it")
        return dict(zip((p for p in pieces if p in texts), match.groups(), strict=True))

    def _end_of_message(self, marked: str, i: int) -> int:
        """Behind the control token after the message's text, or where the next text begins.

        After a call that is the one that ends an answer.
        """
        own = [mark for mark in MARK.findall(marked) if index_of(mark) == i]
        texts = [mark for mark in own if not is_of_call(mark) and mark != mark_of(i, REASONING)]
        if len(texts) > 1 or not own:
            raise RenderError(f"messages[{i}]: the chat template must write its text just once")
        start = marked.rindex(own[-1]) + len(own[-1])
        following = MARK.search(marked, start)
        behind = marked[start : following.start() if following else None]
        called = any(map(is_of_call, own))
        if called and self.stop[0] not in behind:
            raise RenderError(f"messages[{i}]: the chat template ends a call unlike an answer")
        last = self.stop if called else self.markers
        ends = [behind.index(m) + len(m) for m in last if m in behind]
        # Where a message has no end of its own, the next one's opening must not be taken for it.
        ends += [behind.index(self.opening)] if self.opening in behind else []
        return start + min(ends, default=len(behind))

    def _check_names(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> None:
        """Names and tools reach the template as they are: they must not hold a control token."""
        for i, message in enumerate(messages):
            if message.unparsed_tool_calls:
                raise refuse(i, message, "a tool call that could not be parsed")
            if message.tool_calls and self._read_calls is None:
                raise refuse(i, message, "the chat template writes no calls that could be read")
        names = [(m.name, m.tool_call_id, call_dicts(m, lambda _: "")) for m in messages]
        given = to_json([*names, *map(openai_tool, tools)])
        forged = [marker for marker in self.markers if marker in given]
        if forged:
            raise RenderError(f"a name or a tool holds the control token {forged[0]}")


def _said(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "content": text}


def _write_message(stream: Stream, written: str, given: int, texts: Texts) -> None:
    """One message: what stands before it, then its own."""
    stream.frame(written[:given])
    for piece in MARK.split(written[given:]):
        if piece in texts:
            stream.text(texts[piece])
        else:
            stream.mark(piece)


def template(tokenizer: PreTrainedTokenizerBase, *_: object) -> Template:
    """Whatever the tokenizer's template writes."""
    return Template(tokenizer)
