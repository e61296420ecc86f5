"""The format of any other model: what the chat template of its tokenizer writes.

A template is a program that writes text. To find the origin of each token, every text of the
conversation is replaced by a mark, the template runs, and the marks in its output show where the
texts are. This is verified on each conversation: with the texts in place of the marks, the output
must be what the template writes for the texts. If it is not, the conversation is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from tinker_core import Malformed, Message, RenderError, Reply, ToolSpec
from tinker_core.strict_json import to_json
from tinker_render.chat_template.marks import (
    BEGINS,
    MARK,
    REASONING,
    Disguise,
    Texts,
    as_dicts,
    forms_of,
    index_of,
    is_of_call,
    mark_of,
    texts_of,
)
from tinker_render.chat_template.run import ChatTemplate
from tinker_render.chat_template.tool_calls import BOUNDS, call_dicts
from tinker_render.chat_template.trial import THINK, Findings, examine
from tinker_render.chat_template.verify import verify_calls, verify_complete, verify_turn
from tinker_render.format.chat import Chat
from tinker_render.format.message_text import no_form, refuse, refuse_unparsed_calls
from tinker_render.parsing.turn import Notation, from_text, read_turn
from tinker_render.segments import Segment, SegmentWriter
from tinker_render.tokenizer.codec import Piece, find_control_tokens
from tinker_render.tools.json_calls import openai_tool

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@frozen(eq=False)
class Template:
    """A chat template, and how it writes a turn."""

    tokenizer: PreTrainedTokenizerBase
    control_tokens: tuple[str, ...] = field(init=False)
    stop: tuple[str, ...] = field(init=False)
    _template: ChatTemplate = field(init=False)
    _findings: Findings = field(init=False)
    _openings: dict[bool, str] = field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        put = object.__setattr__  # the class is frozen
        template = ChatTemplate(self.tokenizer)
        put(self, "_template", template)
        control = find_control_tokens(self.tokenizer, template.source)
        put(self, "control_tokens", tuple(sorted(control)))
        put(self, "_findings", examine(template, self.control_tokens))
        put(self, "stop", (self._findings.stop,))

    def begin(self, writer: SegmentWriter, chat: Chat) -> None:
        """Write nothing: text in front of the first message is its header."""

    def message(self, writer: SegmentWriter, chat: Chat, i: int) -> None:
        """Write the part of the output of the template that belongs to the message."""
        writer.segments += chat.cached(self._written)[i]

    def read(self, pieces: Sequence[Piece], tools: Sequence[ToolSpec]) -> Reply | Malformed:
        """Read reasoning without the newlines around it, text, and calls."""
        readers = self._findings.read_calls
        notation = Notation(
            think=THINK if self._thinks else None,
            opened=self._thinks and self._findings.opens_reasoning,
            call=BOUNDS if readers else None,
            read_call=from_text(readers(tools)) if readers else None,
        )
        turn = read_turn(pieces, notation)
        text = turn.text.rstrip("\n") if turn.calls or turn.unparsed else turn.text
        if turn.thinking is None:
            return evolve(turn, text=text).outcome()
        return evolve(turn, thinking=turn.thinking.strip("\n"), text=text.lstrip("\n")).outcome()

    @property
    def _thinks(self) -> bool:
        """True if the vocabulary has control tokens around reasoning."""
        return {*THINK} <= {*self.control_tokens}

    def stable_prefix(self, chat: Chat) -> int:
        """Zero: a template may rewrite any message when others follow."""
        return 0

    def _written(self, chat: Chat) -> list[list[Segment]]:
        """The segments of each message: the output of the template, split at the marks."""
        messages, tools = [*chat], chat.tools
        *before, last = messages
        if last.role == "assistant" and before:
            opening = self._template.opening(self._shown(before), tools)
            history = self._write(before, tools)
            header = Segment(opening, True, len(before), False, False)
            if chat.is_prompt:
                return [*history, [header]]
            return self._behind_prompt(history, header, self._write(messages, tools, opening))
        if chat.is_prompt:
            raise RenderError(f"a chat template has no prompt for a {last.role} message")
        return self._write(messages, tools)

    def _behind_prompt(
        self, history: list[list[Segment]], header: Segment, written: list[list[Segment]]
    ) -> list[list[Segment]]:
        """The whole conversation, behind the prompt that the model was given for the last message.

        Some templates write white space at the end of a prompt that they write differently once an
        answer follows. The prompt decides.
        """
        begins = next((n for n, s in enumerate(written[-1]) if s.content), len(written[-1]))
        given = [*chain(*written[:-1]), *written[-1][:begins]]
        prompt = _text([*chain(*history), header])
        if _text(given) == prompt:
            return written
        if "".join(_text(given).split()) != "".join(prompt.split()):
            at = f"messages[{header.message}] (assistant)"
            raise RenderError(f"{at}: the chat template does not write it behind its prompt")
        return [*history, [header, *written[-1][begins:]]]

    def _write(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], opening: str | None = None
    ) -> list[list[Segment]]:
        """The segments of each message. `opening` is the end of the prompt of the last message."""
        self._check(messages, tools)
        marked = self._run(messages, self._marks(messages), tools)
        texts = self._as_written(marked, messages, tools)
        written: list[list[Segment]] = []
        at = 0
        for i, message in enumerate(messages):
            stop = self._end_of_message(marked, i, tools)
            part, behind = marked[at:stop], MARK.split(marked[stop:], maxsplit=1)[0]
            if message.role != "assistant":
                given = part.index(BEGINS)
            elif opening is not None and i == len(messages) - 1:
                given = self._end_of_prompt(i, message, part, opening)
            else:
                given = self._end_of_opening(part, tools)
            self._verify(i, message, part[given:], behind, texts, tools)
            written.append(_segments(i, message, part, given, texts))
            at = stop
        written[-1].append(Segment(marked[at:], True, len(messages) - 1, False, False))
        return written

    def _shown(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        marks = self._marks(messages)
        return as_dicts(messages, marks, reasoning_key=self._findings.reasoning_key)

    def _end_of_prompt(self, i: int, message: Message, written: str, opening: str) -> int:
        """The length of the part of the last message that its prompt supplied."""
        at = written.find(opening)
        if at < 0:
            raise refuse(i, message, "the chat template does not write it behind its prompt")
        if message.thinking.strip() and mark_of(i, REASONING) not in written:
            where = f"messages[{i}] ({message.role}): "
            raise no_form("the chat template", "reasoning", "its reasoning", where)
        return at + len(opening)

    def _opening(self, tools: Sequence[ToolSpec]) -> str:
        """The generation prompt behind one user message; there may be a template for tools."""
        with_tools = bool(tools)
        if with_tools not in self._openings:
            asked = [{"role": "user", "content": "a"}]
            self._openings[with_tools] = self._template.opening(asked, tools)
        return self._openings[with_tools]

    def _verify(  # all that is known of one message
        self,
        i: int,
        message: Message,
        written: str,
        behind: str,
        texts: Texts,
        tools: Sequence[ToolSpec],
    ) -> None:
        verify_complete(i, message, written)
        if message.role == "assistant":
            known = THINK if self._thinks else ()
            verify_turn(i, message, written, behind, self.stop[0], known=known)
        if message.tool_calls and self._findings.read_calls is not None:
            verify_calls(i, message, written, texts, self._findings.read_calls(tools))

    def _marks(self, messages: Sequence[Message]) -> Texts:
        return {mark: mark for mark in texts_of(messages)}

    def _run(self, messages: Sequence[Message], shown: Texts, tools: Sequence[ToolSpec]) -> str:
        given = as_dicts(messages, shown, reasoning_key=self._findings.reasoning_key)
        return self._template.run(given, tools)

    def _end_of_opening(self, written: str, tools: Sequence[ToolSpec]) -> int:
        """The length of the part of an earlier assistant message that its prompt supplied.

        This is the generation prompt or a beginning of it: a template may open reasoning only for
        the last message.
        """
        opening = self._opening(tools)
        first = [opening.index(c) + len(c) for c in self.control_tokens if c in opening]
        for length in range(len(opening), min(first, default=len(opening)) - 1, -1):
            at = written.find(opening[:length])
            if at >= 0:
                return at + length
        raise RenderError(f"the chat template writes an answer without its opening {opening!r}")

    def _as_written(
        self, marked: str, messages: Sequence[Message], tools: Sequence[ToolSpec]
    ) -> Texts:
        """The texts as the template writes them: unchanged, or trimmed in some way."""
        texts = texts_of(messages)
        disguise = Disguise.of(texts, self.control_tokens)
        disguised = {mark: disguise.put_on(text) for mark, text in texts.items()}
        pieces = MARK.split(marked)
        pattern = "".join(forms_of(disguised[p]) if p in texts else re.escape(p) for p in pieces)
        match = re.fullmatch(pattern, self._run(messages, disguised, tools))
        if match is None:
            raise RenderError("the chat template does more with the text of a message than trim it")
        found = zip((p for p in pieces if p in texts), match.groups(), strict=True)
        return {mark: disguise.take_off(text) for mark, text in found}

    def _end_of_message(self, marked: str, i: int, tools: Sequence[ToolSpec]) -> int:
        """The end of the control token behind the text of a message, or the start of the next text.

        Behind a call, it is the end of the token that ends a turn.
        """
        own = [mark for mark in MARK.findall(marked) if index_of(mark) == i]
        texts = [mark for mark in own if not is_of_call(mark) and mark != mark_of(i, REASONING)]
        if len(texts) > 1 or not own:
            raise RenderError(f"messages[{i}]: the chat template must write its text exactly once")
        start = marked.rindex(own[-1]) + len(own[-1])
        following = MARK.search(marked, start)
        behind = marked[start : following.start() if following else None]
        called = any(map(is_of_call, own))
        if called and self.stop[0] not in behind:
            raise RenderError(
                f"messages[{i}]: the chat template does not end a call like an answer"
            )
        last = self.stop if called else self.control_tokens
        ends = [behind.index(token) + len(token) for token in last if token in behind]
        # A message without an end of its own ends where the next generation prompt begins.
        opening = self._opening(tools)
        ends += [behind.index(opening)] if opening in behind else []
        return start + min(ends, default=len(behind))

    def _check(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> None:
        """Names and tools reach the template unchanged: they must not contain a control token."""
        for i, message in enumerate(messages):
            refuse_unparsed_calls(i, message)
            if message.tool_calls and self._findings.read_calls is None:
                raise no_form(
                    "the chat template",
                    "tools",
                    "calls that can be parsed",
                    f"messages[{i}] ({message.role}): ",
                )
        names = [(m.name, m.tool_call_id, call_dicts(m, lambda _: "")) for m in messages]
        given = to_json([*names, *map(openai_tool, tools)])
        if spelled := [token for token in self.control_tokens if token in given]:
            raise RenderError(f"a name or a tool contains the control token {spelled[0]}")


def _text(segments: Iterable[Segment]) -> str:
    return "".join(segment.text for segment in segments)


def _segments(i: int, message: Message, written: str, given: int, texts: Texts) -> list[Segment]:
    """The segments of a message: the part that the prompt supplies, then its content."""
    writer = SegmentWriter()
    writer.start(i, sampled=message.role == "assistant")
    writer.header(written[:given])
    for piece in MARK.split(written[given:]):
        if piece in texts:
            writer.text(texts[piece])
        else:
            writer.markup(piece)
    return writer.segments


def template(tokenizer: PreTrainedTokenizerBase, *_: object) -> Template:
    """The chat template of the tokenizer."""
    return Template(tokenizer)
