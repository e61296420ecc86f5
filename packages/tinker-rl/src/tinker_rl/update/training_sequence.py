"""From trajectories to sequences to train on: every token, and what is known about it.

Where each observation begins with the last one and the action after it (the extension property),
a whole episode is one sequence: O(T) tokens to train on, not O(T^2). Where it does not, a new
sequence begins. Tokens stay the ones that were sampled; nothing is decoded and encoded again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import tinker
from attrs import define, evolve, field, frozen
from numpy.typing import ArrayLike, NDArray

from tinker_core import DataError
from tinker_rl.trajectory import Trajectory, Transition

Floats = NDArray[np.float64]


@frozen
class PlacedChunk:
    """Something in a sequence that is no text: an image."""

    start: int
    """Index of its first token."""
    chunk: tinker.ModelInputChunk


@frozen(kw_only=True, eq=False)
class TokenLedger:
    """One sequence; all arrays have shape (T,), and speak of the same token at the same index."""

    tokens: NDArray[np.int64]
    """Zero where an image is."""
    sampled: NDArray[np.bool_]
    """Whether the model emitted it; the loss counts these tokens alone."""
    logprobs: Floats
    """Under the sampler; zero where not sampled."""
    advantages: Floats
    """Zero where not sampled."""
    group: int = 0
    """Index of the group in its batch."""
    episode: int = 0
    """Index of the attempt in its group."""
    sampler_step: int = 0
    """Optimizer steps in the weights that sampled it."""
    images: tuple[PlacedChunk, ...] = ()
    """In their order."""

    @property
    def sampled_logprobs(self) -> Floats:
        """The sampler's logprobs of the sampled tokens alone, in order."""
        return self.logprobs[self.sampled]


def model_input(ledger: TokenLedger, end: int | None = None) -> tinker.ModelInput:
    """The first `end` tokens of the sequence, images in their places; the last one must be text."""
    tokens = ledger.tokens[:end].tolist()
    chunks: list[tinker.ModelInputChunk] = []
    at = 0
    for image in ledger.images:
        if image.start > at:
            chunks.append(tinker.EncodedTextChunk(tokens=tokens[at : image.start]))
        chunks.append(image.chunk)
        at = image.start + image.chunk.length
    if at < len(tokens):
        chunks.append(tinker.EncodedTextChunk(tokens=tokens[at:]))
    return tinker.ModelInput(chunks=chunks)


def add_to_advantages(ledger: TokenLedger, more_S: ArrayLike) -> TokenLedger:
    """The ledger with numbers added to the advantages of its S sampled tokens."""
    more_S = np.asarray(more_S, dtype=np.float64)
    if more_S.shape != (int(ledger.sampled.sum()),):
        raise DataError(f"{int(ledger.sampled.sum())} sampled tokens, but shape {more_S.shape}")
    advantages_T = ledger.advantages.copy()
    advantages_T[ledger.sampled] += more_S
    return evolve(ledger, advantages=advantages_T)


def with_logprobs(ledger: TokenLedger, logprobs_S: ArrayLike) -> TokenLedger:
    """The ledger with other logprobs in the place of the sampler's, for its S sampled tokens."""
    logprobs_T = np.zeros_like(ledger.logprobs)
    logprobs_T[ledger.sampled] = logprobs_S
    return evolve(ledger, logprobs=logprobs_T)


@frozen
class ImageToken:
    """One of the tokens that an image takes."""

    chunk: tinker.ModelInputChunk
    offset: int


Seen = int | ImageToken
"""A token of text, or a part of an image."""


@define
class _Builder:
    """A sequence under way."""

    tokens: list[Seen] = field(factory=list)
    logprobs: list[float] = field(factory=list)
    advantages: list[float] = field(factory=list)
    sampled: list[bool] = field(factory=list)

    def observe(self, tokens: Sequence[Seen]) -> None:
        zeros = [0.0] * len(tokens)
        self._emit(tokens, zeros, zeros, sampled=False)

    def act(self, turn: Transition, advantage: float) -> None:
        tokens = turn.action.tokens
        self._emit(tokens, turn.action.logprobs, [advantage] * len(tokens), sampled=True)

    def _emit(
        self,
        tokens: Sequence[Seen],
        logprobs: Sequence[float],
        advantages: Sequence[float],
        *,
        sampled: bool,
    ) -> None:
        self.tokens.extend(tokens)
        self.logprobs.extend(logprobs)
        self.advantages.extend(advantages)
        self.sampled.extend([sampled] * len(tokens))

    def ledger(self) -> TokenLedger:
        return TokenLedger(
            tokens=np.array([t if isinstance(t, int) else 0 for t in self.tokens], dtype=np.int64),
            sampled=np.array(self.sampled, dtype=bool),
            logprobs=np.array(self.logprobs, dtype=np.float64),
            advantages=np.array(self.advantages, dtype=np.float64),
            images=tuple(
                PlacedChunk(i, token.chunk)
                for i, token in enumerate(self.tokens)
                if isinstance(token, ImageToken) and token.offset == 0
            ),
        )


def trajectory_ledgers(trajectory: Trajectory, advantages_K: ArrayLike) -> list[TokenLedger]:
    """The fewest sequences that hold every sampled token after exactly what the model saw.

    `advantages_K` has one number for each turn. A sequence in which nothing was sampled is left
    out. Raises DataError for an observation that is empty.
    """
    advantages_K = np.asarray(advantages_K, dtype=np.float64)
    if advantages_K.shape != (len(trajectory.transitions),):
        raise DataError(f"{len(trajectory.transitions)} turns, but shape {advantages_K.shape}")
    builders: list[_Builder] = []
    for turn, advantage in zip(trajectory.transitions, advantages_K.tolist(), strict=True):
        seen = observed(turn.observation)
        so_far = builders[-1].tokens if builders else None
        if not seen:
            raise DataError("an observation needs a token: nothing predicts the first one")
        if so_far is None or seen[: len(so_far)] != so_far:
            builders.append(_Builder())
            so_far = []
        builders[-1].observe(seen[len(so_far) :])
        builders[-1].act(turn, advantage)
    return [builder.ledger() for builder in builders if any(builder.sampled)]


def sampled_tokens(ledgers: Iterable[TokenLedger]) -> int:
    """How many tokens the model emitted in all of them."""
    return sum(int(ledger.sampled.sum()) for ledger in ledgers)


def observed(observation: tinker.ModelInput) -> list[Seen]:
    """Token by token, what the model saw."""
    seen: list[Seen] = []
    for chunk in observation.chunks:
        if isinstance(chunk, tinker.EncodedTextChunk):
            seen.extend(chunk.tokens)
        else:
            seen.extend(ImageToken(chunk, offset) for offset in range(chunk.length))
    return seen
