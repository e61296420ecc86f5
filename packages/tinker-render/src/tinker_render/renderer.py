"""The renderer: prompts, supervised examples and parsing with one format and one tokenizer."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import tinker
from attrs import field, frozen
from numpy.typing import NDArray

from tinker_core import (
    DataError,
    Message,
    Outcome,
    RenderError,
    Reply,
    Role,
    ToolSpec,
    as_conversation,
    as_tools,
)
from tinker_render.format.chat import Chat
from tinker_render.format.interface import Format, write_chat, write_messages
from tinker_render.parsing.reply_parser import ReplyParser
from tinker_render.parsing.reply_stream import Delta, ReplyStream
from tinker_render.rendered import Rendered
from tinker_render.segments import Segment, as_emitted, emission, opening
from tinker_render.tokenizer.codec import Codec
from tinker_render.train_on_what import (
    DEFAULT_TRAIN_ON_WHAT,
    TrainOnWhat,
    loss_weights,
    trained_messages,
)

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Messages = Sequence[Message | Mapping[str, Any]]
Tools = Sequence[ToolSpec | Mapping[str, Any]]
Example = tuple[tinker.ModelInput, NDArray[np.float32]]
"""Tokens and their loss weights, shape (T,)."""


@frozen
class NoBridge:
    """A refusal of `bridge`: the next prompt does not extend the sampled tokens."""

    reason: str


@frozen(kw_only=True, eq=False)
class Renderer:
    """Renders chat messages to tokens and parses sampled tokens.

    Messages are `Message` values or dictionaries of the OpenAI chat format; tools are `ToolSpec`
    values or dictionaries. Every method raises DataError for an invalid message, and RenderError
    for a message that the format has no form for.
    """

    name: str
    tokenizer: PreTrainedTokenizerBase
    format: Format
    context_length: int | None = None
    """Length of the context of the model in tokens; None if it is unknown."""
    codec: Codec = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "codec", Codec(self.tokenizer, self.format.control_tokens))

    def with_context_length(self, length: int | None) -> Renderer:
        """The renderer for a model with this context; it shares the codec of this one."""
        other = copy.copy(self)
        object.__setattr__(other, "context_length", length)  # the class is frozen
        return other

    def render(self, messages: Messages, *, tools: Tools = ()) -> Rendered:
        """Render the whole conversation."""
        chat = Chat([*as_conversation(messages)], as_tools(tools))
        return self.codec.render(chain.from_iterable(write_chat(self.format, chat)))

    def build_generation_prompt(
        self,
        messages: Messages,
        role: Role = "assistant",
        prefill: str | None = None,
        *,
        tools: Tools = (),
    ) -> tinker.ModelInput:
        """Render the conversation up to the first token of the next message, which has `role`.

        `prefill` is text that this message begins with. A supervised example that ends with a
        message of this role begins with the same tokens.
        """
        chat = Chat([*as_conversation(messages)], as_tools(tools)).prompt(role)
        written = write_chat(self.format, chat)
        last = len(chat) - 1
        begun = Segment(prefill or "", markup=False, message=last, content=True, sampled=True)
        return self.codec.render(chain(*written, [begun])).model_input

    def build_supervised_example(
        self,
        messages: Messages,
        train_on_what: TrainOnWhat = DEFAULT_TRAIN_ON_WHAT,
        *,
        tools: Tools = (),
    ) -> Example:
        """The conversation and its loss weights, up to the last token to train on.

        Raises DataError if there is no message to train on, and RenderError if one sequence cannot
        train on all of them (see `build_supervised_examples`).
        """
        first, *more = self.build_supervised_examples(messages, train_on_what, tools=tools)
        if more:
            raise RenderError(
                f"{self.name} writes earlier turns differently from how the model emitted them:"
                f" with {TrainOnWhat(train_on_what).value} this conversation takes {1 + len(more)}"
                " examples; call build_supervised_examples"
            )
        return first

    def build_supervised_examples(
        self,
        messages: Messages,
        train_on_what: TrainOnWhat = DEFAULT_TRAIN_ON_WHAT,
        *,
        tools: Tools = (),
    ) -> list[Example]:
        """The fewest examples that train once on every chosen message, as the model emits it.

        This is one example if every turn of the model extends the one before. If the format
        rewrites earlier turns (drops their reasoning), it is one example for every run of turns
        that are written the same. Raises DataError if there is no message to train on.
        """
        conversation, specs = as_conversation(messages), as_tools(tools)
        what = TrainOnWhat(train_on_what)
        chosen = trained_messages(conversation, what)
        examples, done = [], -1
        for last, segments in self._sequences(conversation, specs, chosen):
            rendered = self.codec.render(chain.from_iterable(segments))
            weights = loss_weights(rendered, [i for i in chosen if done < i <= last], what)
            if not weights.any():
                problem = f"the messages to train on with {what.value} have no tokens"
                raise DataError(problem, field="messages")
            length = int(np.flatnonzero(weights)[-1]) + 1  # later tokens do not affect the loss
            examples.append((rendered.cut(length).model_input, weights[:length]))
            done = last
        return examples

    def get_stop_sequences(self) -> list[int] | list[str]:
        """The stop sequences of a turn, for `tinker.SamplingParams(stop=...)`."""
        ids = self.codec.ids
        if all(stop in ids for stop in self.format.stop):
            return [ids[stop] for stop in self.format.stop]
        return list(self.format.stop)

    def parse_response(self, tokens: Sequence[int], *, tools: Tools = ()) -> Outcome:
        """Parse sampled tokens, with the stop sequence if the model emitted it.

        `tools` are those of the prompt, for notations that do not mark the type of an argument. Any
        tokens have an outcome; only invalid `tools` raise DataError.
        """
        return self._parser.parse(tokens, as_tools(tools))

    def parse_response_streaming(
        self, tokens: Iterable[int], *, tools: Tools = ()
    ) -> Iterator[Delta | Outcome]:
        """Parse tokens while they are sampled: certain deltas at once, the outcome at the end.

        Use `reply_stream` for tokens that do not come from an iterable.
        """
        stream = self.reply_stream(tools=tools)
        for token in tokens:
            yield from stream.feed([token])
        rest, outcome = stream.finish()
        yield from rest
        yield outcome

    def reply_stream(self, *, tools: Tools = ()) -> ReplyStream:
        """A parser that is fed with tokens as they are sampled."""
        return ReplyStream(self._parser, as_tools(tools))

    @property
    def _parser(self) -> ReplyParser:
        return ReplyParser(self.codec, self.format)

    def bridge(
        self,
        messages: Messages,
        sampled: Sequence[int],
        following: Messages,
        *,
        tools: Tools = (),
    ) -> list[int] | NoBridge:
        """Tokens to append after `sampled` to form the next prompt.

        The prompt for `messages`, the `sampled` reply and these tokens are then the prompt for
        `messages`, the reply and `following`, with the tokens of the reply unchanged. Of `messages`
        only those are read that the format may write differently now. There is no bridge if the
        format writes the reply differently from how it was emitted, or if the reply did not end.
        """
        outcome = self.parse_response(sampled, tools=tools)
        if not isinstance(outcome, Reply):
            return NoBridge(f"the reply is {type(outcome).__name__}")
        replied = Chat([*messages, outcome.message], as_tools(tools))
        stable = self.format.stable_prefix(replied)
        whole = Chat([*replied.given, *as_conversation(following)], replied.tools).prompt(
            "assistant"
        )
        reply, *new = write_messages(self.format, whole, range(len(messages), len(whole)))
        turn = emission(reply)
        if stable < len(replied):
            earlier = write_messages(self.format, whole, range(stable, len(messages)))
            try:
                *before, last = write_messages(self.format, replied, range(stable, len(replied)))
            except RenderError as error:  # reasoning that the model was not to emit
                return NoBridge(str(error))
            if [*earlier, turn] != [*before, emission(last)]:
                problem = "writes the reply differently once the conversation continues"
                return NoBridge(f"{self.name} {problem}")
        rendered = self.codec.render(chain(reply[len(turn) :], *new))
        tokens: list[int] = rendered.tokens.tolist()
        return tokens

    def extends(self, messages: Messages) -> bool:
        """True if one token sequence contains every turn of the model as it was emitted."""
        conversation = as_conversation(messages)
        chosen = [i for i, message in enumerate(conversation) if message.role == "assistant"]
        return len(self._sequences(conversation, (), chosen)) <= 1

    def _sequences(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], chosen: Sequence[int]
    ) -> list[tuple[int, list[list[Segment]]]]:
        """The sequences that train on the chosen messages, in order.

        Each is the index of its last message, and the segments in front of the messages followed by
        those of each message. A message is trained on in the sequence of a later one if the history
        that its prompt shows, and its own tokens, are the same there.
        """
        if not chosen:
            return []
        sequences = [self._sequence(messages, tools, chosen[-1])]
        for i in reversed(chosen[:-1]):
            later = sequences[-1][1]
            if self._header_merges(later[i + 1], messages[i], i) or not self._written_alike(
                later, Chat([*messages[: i + 1]], tools)
            ):
                sequences.append(self._sequence(messages, tools, i))
        return sequences[::-1]

    def _sequence(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], last: int
    ) -> tuple[int, list[list[Segment]]]:
        *before, turn = write_chat(self.format, Chat([*messages[: last + 1]], tools))
        return last, [*before, as_emitted(turn, last)]

    def _written_alike(self, later: list[list[Segment]], chat: Chat) -> bool:
        """True if a later sequence shows the last message of the chat and its history unchanged."""
        last = len(chat) - 1
        stable = self.format.stable_prefix(chat)
        if stable > last:
            return True
        *before, turn = write_messages(self.format, chat, range(stable, last + 1))
        if before != later[stable + 1 : last + 1]:
            return False
        if chat[last].role == "assistant":
            return emission(turn) == emission(later[last + 1])
        return opening(turn, last) == opening(later[last + 1], last)

    def _header_merges(self, segments: list[Segment], message: Message, i: int) -> bool:
        """True if a token spans header and content, where a prompt for the message ends.

        In a sequence that trains on a later message, a message of others is encoded in one piece,
        as in every prompt; as a message of the model, it is encoded apart from its header.
        """
        if message.role == "assistant":
            return False
        whole, apart = self.codec.render(segments), self.codec.render(as_emitted(segments, i))
        return bool(whole.tokens.tolist() != apart.tokens.tolist())
