"""Prompts of an episode, stored so that each token of the episode is in memory once.

The prompt of a turn usually begins with the prompt and the action of the turn before it. It then
refers to them, and holds the tokens after them alone.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import TypeAlias

import tinker
from attrs import field, frozen

Tokens: TypeAlias = "array[int]"
"""Token ids, four bytes each."""
Piece: TypeAlias = "Tokens | tinker.ModelInputChunk"
"""Text, or an image."""


def token_array(tokens: Iterable[int]) -> Tokens:
    """The token ids as an array."""
    return array("i", map(int, tokens))


@frozen(eq=False, kw_only=True)
class Prompt:
    """The tokens and images that the model saw in one turn."""

    new: tuple[Piece, ...]
    """The pieces after `before` and `action`."""
    before: Prompt | None = field(default=None, repr=False)
    """The prompt of the last turn, if this one begins with it and with `action`."""
    action: Tokens = field(factory=lambda: array("i"), repr=False)
    """The tokens that the model sampled after `before`."""
    length: int = field(init=False)
    """Number of tokens, those of images included."""

    def __attrs_post_init__(self) -> None:
        before = 0 if self.before is None else self.before.length + len(self.action)
        object.__setattr__(self, "length", before + sum(map(piece_length, self.new)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Prompt) and self.pieces() == other.pieces()

    __hash__ = None  # type: ignore[assignment]  # arrays are mutable

    def pieces(self) -> list[Piece]:
        """The whole prompt. Neighbouring texts are one piece."""
        links = [self]
        while (before := links[-1].before) is not None:
            links.append(before)
        return _join(piece for link in reversed(links) for piece in (link.action, *link.new))

    def model_input(self) -> tinker.ModelInput:
        """The whole prompt as the engine takes it."""
        return tinker.ModelInput(
            chunks=[
                tinker.EncodedTextChunk(tokens=piece.tolist())
                if isinstance(piece, array)
                else piece
                for piece in self.pieces()
            ]
        )


def as_prompt(observation: tinker.ModelInput | Prompt) -> Prompt:
    """A prompt without a turn before it."""
    if isinstance(observation, Prompt):
        return observation
    return Prompt(
        new=tuple(
            _join(
                token_array(chunk.tokens) if isinstance(chunk, tinker.EncodedTextChunk) else chunk
                for chunk in observation.chunks
            )
        )
    )


def prompt_after(before: Prompt, action: Tokens, prompt: Prompt) -> Prompt:
    """The prompt, as what follows `before` and `action` if it begins with them."""
    if prompt.before is before and prompt.action == action:
        return prompt
    seen = prompt.pieces()
    new = _rest(_join([*before.pieces(), action]), seen)
    if new is None:
        return prompt if prompt.before is None else Prompt(new=tuple(seen))
    return Prompt(new=new, before=before, action=action)


def piece_length(piece: Piece) -> int:
    """The number of tokens of a piece."""
    return len(piece) if isinstance(piece, array) else piece.length


def _rest(first: Sequence[Piece], whole: Sequence[Piece]) -> tuple[Piece, ...] | None:
    """The pieces of `whole` after `first`; None if it does not begin with `first`."""
    if not first or len(whole) < len(first) or list(whole[: len(first) - 1]) != first[:-1]:
        return None
    last, found, after = first[-1], whole[len(first) - 1], whole[len(first) :]
    if not isinstance(last, array):
        return tuple(after) if found == last else None
    if not isinstance(found, array) or found[: len(last)] != last:
        return None
    return tuple(_join([found[len(last) :], *after]))


def _join(pieces: Iterable[Piece]) -> list[Piece]:
    joined: list[Piece] = []
    for piece in pieces:
        if not isinstance(piece, array):
            joined.append(piece)
        elif joined and isinstance(joined[-1], array):
            joined[-1].extend(piece)
        elif piece:
            joined.append(piece[:])
    return joined
