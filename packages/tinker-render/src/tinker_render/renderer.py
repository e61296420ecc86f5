"""The renderer: one format and one tokenizer, and everything that a loop asks of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import tinker
from attrs import field, frozen
from numpy.typing import NDArray

from tinker_core import (
    CutShort,
    Malformed,
    Message,
    Outcome,
    RenderError,
    Reply,
    Role,
    ToolSpec,
    as_conversation,
)
from tinker_render.format.chat import Chat
from tinker_render.format.interface import (
    Format,
    emitted,
    write_chat,
    write_messages,
    write_opening,
)
from tinker_render.parsing.reply_stream import Delta, ReplyStream
from tinker_render.rendered import Rendered
from tinker_render.segments import Segment
from tinker_render.tokenizer.codec import Codec, Marker, Piece
from tinker_render.tools.json_calls import as_tools
from tinker_render.train_on_what import TrainOnWhat, loss_weights, trained_messages

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Messages = Sequence[Message | Mapping[str, Any]]
Tools = Sequence[ToolSpec | Mapping[str, Any]]
Example = tuple[tinker.ModelInput, NDArray[np.float32]]


@frozen
class NoBridge:
    """Why a sampled turn cannot be gone on from: the next prompt has to be rendered as a whole."""

    reason: str


@frozen(kw_only=True, eq=False)
class Renderer:
    """Chat messages to tokens and back.

    Messages are `Message` values or dictionaries of the OpenAI chat format, tools `ToolSpec` values
    or the OpenAI ones. Every method raises DataError for a message that is none, and RenderError
    for one that the format cannot express.
    """

    name: str
    tokenizer: PreTrainedTokenizerBase
    format: Format
    codec: Codec = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "codec", Codec(self.tokenizer, self.format.markers))

    def render(self, messages: Messages, *, tools: Tools = ()) -> Rendered:
        """The whole conversation as the family writes it."""
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
        """The conversation up to the first token of the next message, which `role` is to write.

        `prefill` is text that this message begins with.
        """
        chat = Chat([*as_conversation(messages)], as_tools(tools))
        written = [*write_chat(self.format, chat), write_opening(self.format, chat, role)]
        # in pieces as if the model had emitted it
        begun = Segment(prefill or "", markup=False, message=len(chat), content=True, sampled=True)
        return self.codec.render(chain(*written, [begun])).model_input

    def build_supervised_example(
        self,
        messages: Messages,
        train_on_what: TrainOnWhat = TrainOnWhat.LAST_ASSISTANT_MESSAGE,
        *,
        tools: Tools = (),
    ) -> Example:
        """The conversation and its loss weights, shape (T,), up to the last token to train on.

        Raises DataError when there is no message to train on, and RenderError when one sequence
        cannot train on all of them (see `build_supervised_examples`).
        """
        first, *more = self.build_supervised_examples(messages, train_on_what, tools=tools)
        if more:
            raise RenderError(
                f"{self.name} shows earlier turns otherwise than the model emitted them: with"
                f" {TrainOnWhat(train_on_what).value} this conversation takes {1 + len(more)}"
                " examples; call build_supervised_examples"
            )
        return first

    def build_supervised_examples(
        self,
        messages: Messages,
        train_on_what: TrainOnWhat = TrainOnWhat.LAST_ASSISTANT_MESSAGE,
        *,
        tools: Tools = (),
    ) -> list[Example]:
        """As few examples as train on every chosen message once, each as the model would emit it.

        One, where each turn of the model extends the last. Where the format rewrites earlier turns
        (it drops their reasoning), there is one for every run of turns that it leaves alone.
        Raises DataError when there is no message to train on.
        """
        conversation, specs = as_conversation(messages), as_tools(tools)
        what = TrainOnWhat(train_on_what)
        chosen = trained_messages(conversation, what)
        examples, done = [], -1
        for last, segments in self._sequences(conversation, specs, chosen):
            rendered = self.codec.render(chain.from_iterable(segments))
            weights = loss_weights(rendered, [i for i in chosen if done < i <= last], what)
            length = int(np.flatnonzero(weights)[-1]) + 1  # the rest cannot change the loss
            examples.append((rendered.cut(length).model_input, weights[:length]))
            done = last
        return examples

    def get_stop_sequences(self) -> list[int] | list[str]:
        """What ends a sampled turn, for `tinker.SamplingParams(stop=...)`."""
        ids = self.codec.ids
        if all(stop in ids for stop in self.format.stop):
            return [ids[stop] for stop in self.format.stop]
        return list(self.format.stop)

    def parse_response(self, tokens: Sequence[int], *, tools: Tools = ()) -> Outcome:
        """The message in sampled tokens, the stop sequence included if the model got that far.

        `tools` are those of the prompt, for notations that do not write down an argument's type.
        """
        turn, ended, rest = self.end_of_turn(self.codec.pieces(tokens))
        outcome = self.format.read(turn, as_tools(tools))
        if not ended:
            return CutShort(outcome.message)
        if rest and isinstance(outcome, Reply):
            return Malformed(outcome.message, "it goes on after the end of the turn")
        return outcome

    def parse_response_streaming(
        self, tokens: Iterable[int], *, tools: Tools = ()
    ) -> Iterator[Delta | Outcome]:
        """The same while it is sampled: deltas as soon as they are certain, last the outcome.

        For tokens that do not come from an iterable there is `ReplyStream`.
        """
        stream = ReplyStream(self, as_tools(tools))
        for token in tokens:
            yield from stream.feed([token])
        rest, outcome = stream.finish()
        yield from rest
        yield outcome

    def end_of_turn(self, pieces: Sequence[Piece]) -> tuple[list[Piece], bool, list[Piece]]:
        """What stands before the first stop or end of text, whether there is one, what follows.

        For whoever reads a format's pieces; `parse_response` is what others want.
        """
        ends = {*self.format.stop, self.tokenizer.eos_token}
        texts = [stop for stop in self.format.stop if stop not in self.codec.ids]
        for i, piece in enumerate(pieces):
            if isinstance(piece, Marker):
                if piece.text in ends:
                    return [*pieces[:i]], True, [*pieces[i + 1 :]]
                continue
            for stop in texts:
                before, found, after = piece.partition(stop)
                if found:
                    rest = [after] if after else []
                    return [*pieces[:i], before], True, [*rest, *pieces[i + 1 :]]
        return list(pieces), False, []

    def bridge(
        self,
        messages: Messages,
        sampled: Sequence[int],
        following: Messages,
        *,
        tools: Tools = (),
    ) -> list[int] | NoBridge:
        """What comes behind `sampled` so that `messages`, the reply and `following` are a prompt.

        Prompt, reply and these tokens are then the next generation prompt: what the model emitted
        stays to the token, and nothing of it is rendered again. `messages` is the prompt's
        conversation; of it only those are looked at that the format may write otherwise now.
        Where the family would show the reply otherwise than it was emitted, or the reply did not
        end, there is no bridge.
        """
        outcome = self.parse_response(sampled, tools=tools)
        if not isinstance(outcome, Reply):
            return NoBridge(f"the reply is {type(outcome).__name__}")
        spoken = Chat([*messages, outcome.message], as_tools(tools))
        settled = self.format.settled(spoken)
        whole = Chat([*spoken.given, *as_conversation(following)], spoken.tools)
        reply, *new = write_messages(self.format, whole, range(len(messages), len(whole)))
        turn = emitted(reply)
        if settled < len(spoken):
            earlier = write_messages(self.format, whole, range(settled, len(messages)))
            *before, last = write_messages(self.format, spoken, range(settled, len(spoken)))
            if [*earlier, turn] != [*before, emitted(last)]:
                problem = "shows the reply otherwise once the conversation goes on"
                return NoBridge(f"{self.name} {problem}")
        opening = write_opening(self.format, whole, "assistant")
        rendered = self.codec.render(chain(reply[len(turn) :], *new, opening))
        tokens: list[int] = rendered.tokens.tolist()
        return tokens

    def extends(self, messages: Messages) -> bool:
        """Whether one sequence of tokens holds every turn of the model just as it was emitted."""
        conversation = as_conversation(messages)
        chosen = [i for i, message in enumerate(conversation) if message.role == "assistant"]
        return len(self._sequences(conversation, (), chosen)) <= 1

    def _sequences(
        self, messages: Sequence[Message], tools: Sequence[ToolSpec], chosen: Sequence[int]
    ) -> list[tuple[int, list[list[Segment]]]]:
        """Index of the last message and segments of each sequence to train on, in order.

        A list of segments for what stands before the messages, and one for each of them.
        """
        if not chosen:
            return []
        last = chosen[-1]
        sequences = [(last, write_chat(self.format, Chat([*messages[: last + 1]], tools)))]
        for i in reversed([i for i in chosen if i < last and messages[i].role == "assistant"]):
            chat, later = Chat([*messages[: i + 1]], tools), sequences[-1][1]
            settled = self.format.settled(chat)
            if settled > i:
                continue
            *before, turn = write_messages(self.format, chat, range(settled, i + 1))
            own = [*later[: settled + 1], *before, emitted(turn)]
            if own != [*later[: i + 1], emitted(later[i + 1])]:
                sequences.append((i, own))
        return sequences[::-1]
