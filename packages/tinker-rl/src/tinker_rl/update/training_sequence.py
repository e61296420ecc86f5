"""From trajectories to training sequences: tokens, logprobs, advantages and the sampled mask.

Where each observation begins with the last observation and action (the extension property), a whole
episode is one sequence: O(T) tokens to train on, not O(T^2). Elsewhere a new sequence begins. The
tokens are the sampled ones; nothing is decoded and encoded again.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

import numpy as np
import tinker
from attrs import define, evolve, field, frozen
from numpy.typing import ArrayLike, NDArray

from tinker_core import DataError
from tinker_rl.prompt import Piece, piece_length
from tinker_rl.trajectory import Trajectory, Transition

Floats = NDArray[np.float64]


@frozen
class PlacedChunk:
    """An image in a sequence."""

    start: int
    """Index of its first token."""
    chunk: tinker.ModelInputChunk


@frozen(kw_only=True, eq=False)
class TrainingSequence:
    """One sequence to train on. All arrays have shape (T,), one entry for each token."""

    tokens: NDArray[np.int64]
    """Token ids; zero for the tokens of an image."""
    sampled: NDArray[np.bool_]
    """True for tokens that the model sampled. The loss is over these tokens alone."""
    logprobs: Floats
    """Logprobs under the sampler; zero where not sampled."""
    advantages: Floats
    """Zero where not sampled."""
    group: int = 0
    """Index of the group in its batch."""
    episode: int = 0
    """Index of the episode in its group."""
    sampler_step: int = 0
    """Optimizer steps in the weights of the sampler."""
    images: tuple[PlacedChunk, ...] = ()
    """In order."""

    @property
    def sampled_logprobs(self) -> Floats:
        """The sampler's logprobs of the S sampled tokens, shape (S,)."""
        return self.logprobs[self.sampled]


def training_sequences(trajectory: Trajectory, advantages_K: ArrayLike) -> list[TrainingSequence]:
    """The fewest sequences that hold every sampled token after exactly what the model saw.

    `advantages_K` has one number for each turn. A sequence without sampled tokens is dropped.
    Raises DataError for an empty observation.
    """
    advantages_K = np.asarray(advantages_K, dtype=np.float64)
    if advantages_K.shape != (len(trajectory.transitions),):
        raise DataError(
            f"{len(trajectory.transitions)} turns, but advantages of shape {advantages_K.shape}"
        )
    builders: list[_Builder] = []
    for turn, advantage in zip(trajectory.transitions, advantages_K.tolist(), strict=True):
        if not turn.prompt.length:
            raise DataError("an observation needs a token: nothing predicts the first one")
        if turn.prompt.before is None:
            builders.append(_Builder())
        builders[-1].observe(turn.prompt.new)
        builders[-1].act(turn, advantage)
    return [builder.sequence() for builder in builders if builder.has_sampled]


def model_input(sequence: TrainingSequence, end: int | None = None) -> tinker.ModelInput:
    """The first `end` tokens with the images in their places. The last token must be text."""
    tokens = sequence.tokens[:end].tolist()
    chunks: list[tinker.ModelInputChunk] = []
    at = 0
    for image in sequence.images:
        if image.start > at:
            chunks.append(tinker.EncodedTextChunk(tokens=tokens[at : image.start]))
        chunks.append(image.chunk)
        at = image.start + image.chunk.length
    if at < len(tokens):
        chunks.append(tinker.EncodedTextChunk(tokens=tokens[at:]))
    return tinker.ModelInput(chunks=chunks)


def add_to_advantages(sequence: TrainingSequence, more_S: ArrayLike) -> TrainingSequence:
    """Add numbers to the advantages of the S sampled tokens."""
    more_S = np.asarray(more_S, dtype=np.float64)
    if more_S.shape != (int(sequence.sampled.sum()),):
        raise DataError(
            f"{int(sequence.sampled.sum())} sampled tokens, but advantages of shape {more_S.shape}"
        )
    advantages_T = sequence.advantages.copy()
    advantages_T[sequence.sampled] += more_S
    return evolve(sequence, advantages=advantages_T)


def with_logprobs(sequence: TrainingSequence, logprobs_S: ArrayLike) -> TrainingSequence:
    """Replace the sampler's logprobs of the S sampled tokens."""
    logprobs_T = np.zeros_like(sequence.logprobs)
    logprobs_T[sequence.sampled] = logprobs_S
    return evolve(sequence, logprobs=logprobs_T)


def sampled_tokens(sequences: Iterable[TrainingSequence]) -> int:
    """The number of sampled tokens."""
    return sum(int(sequence.sampled.sum()) for sequence in sequences)


def num_tokens(sequences: Iterable[TrainingSequence]) -> int:
    """The number of input tokens of the datums, of which each predicts the next."""
    return sum(len(sequence.tokens) - 1 for sequence in sequences)


@define
class _Builder:
    """A sequence that grows turn by turn. Each list has one array for each piece."""

    tokens: list[NDArray[np.int64]] = field(factory=list)
    logprobs: list[Floats] = field(factory=list)
    advantages: list[Floats] = field(factory=list)
    sampled: list[NDArray[np.bool_]] = field(factory=list)
    images: list[PlacedChunk] = field(factory=list)
    length: int = 0
    has_sampled: bool = False

    def observe(self, pieces: Sequence[Piece]) -> None:
        for piece in pieces:
            zeros = np.zeros(piece_length(piece))
            if isinstance(piece, array):
                self._append(piece, zeros, zeros, sampled=False)
            else:
                self.images.append(PlacedChunk(self.length, piece))
                self._append(zeros, zeros, zeros, sampled=False)

    def act(self, turn: Transition, advantage: float) -> None:
        action = turn.action
        self.has_sampled |= len(action) > 0
        advantages = np.full(len(action), advantage)
        self._append(action.token_array, action.logprob_array, advantages, sampled=True)

    def _append(
        self, tokens: ArrayLike, logprobs: ArrayLike, advantages: Floats, *, sampled: bool
    ) -> None:
        self.tokens.append(np.asarray(tokens, dtype=np.int64))
        self.logprobs.append(np.asarray(logprobs, dtype=np.float64))
        self.advantages.append(advantages)
        self.sampled.append(np.full(len(advantages), sampled))
        self.length += len(advantages)

    def sequence(self) -> TrainingSequence:
        return TrainingSequence(
            tokens=np.concatenate(self.tokens),
            sampled=np.concatenate(self.sampled),
            logprobs=np.concatenate(self.logprobs),
            advantages=np.concatenate(self.advantages),
            images=tuple(self.images),
        )
