"""Parse the sampled tokens of one reply."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from tinker_core import CutShort, Malformed, Outcome, Reply, ToolSpec
from tinker_render.format.interface import Format
from tinker_render.tokenizer.codec import Codec, ControlToken, Piece


@frozen
class SplitReply:
    """The pieces of a reply, split at the end of the turn."""

    turn: list[Piece]
    ended: bool
    """A stop sequence or the end-of-text token was found."""
    rest: list[Piece]
    """Pieces behind it."""


@frozen(eq=False)
class ReplyParser:
    """Parses replies with one format and one tokenizer."""

    codec: Codec
    format: Format

    def parse(self, tokens: Sequence[int], tools: Sequence[ToolSpec] = ()) -> Outcome:
        """The message in sampled tokens. Never raises, whatever the model emitted."""
        reply = self.split(self.codec.pieces(tokens))
        outcome = self.format.read(reply.turn, tools)
        if not reply.ended:
            return CutShort(outcome.message)
        if reply.rest and isinstance(outcome, Reply):
            return Malformed(outcome.message, "tokens behind the end of the turn")
        return outcome

    def split(self, pieces: Sequence[Piece]) -> SplitReply:
        """Split at the first stop sequence or end-of-text token."""
        ends = {*self.format.stop, self.codec.tokenizer.eos_token}
        stop_strings = [stop for stop in self.format.stop if stop not in self.codec.ids]
        for i, piece in enumerate(pieces):
            if isinstance(piece, ControlToken):
                if piece.text in ends:
                    return SplitReply([*pieces[:i]], True, [*pieces[i + 1 :]])
                continue
            for stop in stop_strings:
                before, found, after = piece.partition(stop)
                if found:
                    rest = [after] if after else []
                    return SplitReply([*pieces[:i], before], True, [*rest, *pieces[i + 1 :]])
        return SplitReply(list(pieces), False, [])
