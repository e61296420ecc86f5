"""Mixtures: several sources as one, from which rows are drawn in proportion to weights.

The seed alone decides which source each row comes from. A mixture of streams therefore has the same
rows as the mixture of the same sources in memory, and it can be resumed at any row.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, Literal

import numpy as np
from attrs import define, field, frozen
from numpy.typing import NDArray

from tinker_core import ConfigError, DataError
from tinker_data.rows import RawRow, Rows, Subset
from tinker_data.sources.open import Source
from tinker_data.sources.streams import RowStream

Until = Literal["first_exhausted", "all_exhausted"]
_DRAWN_AT_ONCE = 4096


def mix(
    sources: Sequence[Any],
    weights: Sequence[float],
    *,
    seed: int,
    until: Until = "all_exhausted",
) -> Subset | MixedStream:
    """Rows drawn from the sources in proportion to the weights, each source in its own order.

    The result is a stream if any source is one, else it has random access. With `all_exhausted`, a
    source that ends starts again until every row of every source was drawn. With `first_exhausted`,
    the mixture ends when a source would have to start again.
    """
    if len(weights) != len(sources) or not all(0 < weight < math.inf for weight in weights):
        raise ConfigError(
            f"{len(sources)} sources need as many finite weights above 0, not {weights}"
        )
    largest = max(weights)  # the sum of the weights themselves may be infinite
    total = math.fsum(weight / largest for weight in weights)
    shares = tuple(weight / largest / total for weight in weights)
    if any(isinstance(source, RowStream) for source in sources):
        return MixedStream(tuple(map(_as_stream, sources)), shares, seed, until)
    return _mix_rows(sources, shares, seed, until)


@frozen
class MixedStream:
    """A mixture of streams; each starts at the position that the rows before imply."""

    streams: tuple[RowStream, ...]
    shares: tuple[float, ...]
    seed: int
    until: Until = "all_exhausted"

    def read(self, start: int = 0) -> Iterator[RawRow]:
        """The rows from `start` on; a stream that has started again is read once for its length."""
        which_ahead = draws(self.shares, self.seed)
        taken = [0] * len(self.streams)
        for _ in range(start):
            taken[next(which_ahead)] += 1
        readers = [_Reader(*of) for of in zip(self.streams, range(len(taken)), taken, strict=True)]
        if self._is_over(readers) or self._was_over(readers):
            return
        for which in which_ahead:
            if self.until == "first_exhausted" and readers[which].is_over:
                return
            yield readers[which].take()
            if self._is_over(readers):
                return

    @property
    def parts(self) -> tuple[RowStream, ...]:
        """The streams that are mixed."""
        return self.streams

    def _is_over(self, readers: Sequence[_Reader]) -> bool:
        return self.until == "all_exhausted" and all(reader.is_over for reader in readers)

    def _was_over(self, readers: Sequence[_Reader]) -> bool:
        return self.until == "first_exhausted" and any(reader.started_again for reader in readers)


@define(eq=False)
class _Reader:
    """A stream that starts again at its end; it is read one row ahead, to know its end."""

    stream: RowStream
    number: int
    """The number of the stream, for errors."""
    taken: int
    """Rows drawn before."""
    is_over: bool = False
    """True if every row was drawn at least once."""
    started_again: bool = False
    """True if rows were drawn twice before."""
    _rows: Iterator[RawRow] = field(init=False)
    _next: RawRow | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._rows = self.stream.read(self.taken)
        self._next = next(self._rows, None)
        if self._next is None:
            length = sum(1 for _ in self.stream.read())
            if length == 0:
                raise DataError(f"source {self.number} of the mixture is empty")
            self.started_again = self.taken > length
            self._start_again(self.taken % length)

    def take(self) -> RawRow:
        """The next row."""
        assert self._next is not None
        row, self._next = self._next, next(self._rows, None)
        if self._next is None:
            self._start_again(0)
        return row

    def _start_again(self, start: int) -> None:
        self.is_over = True
        self._rows = self.stream.read(start)
        self._next = next(self._rows, None)


@frozen
class RowsStream:
    """Rows with random access as a stream."""

    rows: Rows[RawRow]

    def read(self, start: int = 0) -> Iterator[RawRow]:
        """The rows from `start` on."""
        return (self.rows[index] for index in range(start, len(self.rows)))

    @property
    def parts(self) -> tuple[Rows[RawRow], ...]:
        """The rows that are streamed."""
        return (self.rows,)


def _as_stream(source: Source) -> RowStream:
    return source if isinstance(source, RowStream) else RowsStream(source)


@frozen
class Concatenated:
    """The rows of several sources, one after the other."""

    sources: tuple[Rows[Any], ...]
    ends: NDArray[np.int64]
    """The number of the first row behind each source, shape (sources,)."""

    @classmethod
    def of(cls, sources: Sequence[Rows[Any]]) -> Concatenated:
        """All rows of the sources, one source after the other."""
        return cls(tuple(sources), np.cumsum([len(source) for source in sources]))

    @property
    def parts(self) -> tuple[Rows[Any], ...]:
        """The sources."""
        return self.sources

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, index: int) -> Any:
        which = int(np.searchsorted(self.ends, index, side="right"))
        begin = 0 if which == 0 else int(self.ends[which - 1])
        return self.sources[which][index - begin]


def draws(shares: Sequence[float], seed: int) -> Iterator[int]:
    """The number of the source of each row of a mixture, without end."""
    return chain.from_iterable(chunk.tolist() for chunk in _draws(shares, seed))


def _draws(shares: Sequence[float], seed: int) -> Iterator[NDArray[np.int64]]:
    random = np.random.default_rng(seed)
    while True:
        yield random.choice(len(shares), size=_DRAWN_AT_ONCE, p=np.asarray(shares))


def _mix_rows(
    sources: Sequence[Rows[Any]], shares: Sequence[float], seed: int, until: Until
) -> Subset:
    lengths = np.array([len(source) for source in sources])
    if not lengths.all():
        raise DataError(f"source {int(np.flatnonzero(lengths == 0)[0])} of the mixture is empty")
    drawn = _drawn(lengths, shares, seed, until)
    first = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    indices = np.empty(len(drawn), dtype=np.int64)
    for which, length in enumerate(lengths):
        here = np.flatnonzero(drawn == which)
        indices[here] = first[which] + np.arange(len(here)) % length
    return Subset(Concatenated.of(sources), indices)


def _drawn(
    lengths: NDArray[np.int64], shares: Sequence[float], seed: int, until: Until
) -> NDArray[np.int64]:
    """The number of the source of each row of the mixture."""
    drawn = np.empty(0, dtype=np.int64)
    for chunk in _draws(shares, seed):
        drawn = np.concatenate([drawn, chunk])
        counts = [np.flatnonzero(drawn == which) for which in range(len(lengths))]
        if until == "first_exhausted":
            over = [int(at[n]) for at, n in zip(counts, lengths, strict=True) if len(at) > n]
            if over:
                return drawn[: min(over)]
        elif all(len(at) >= n for at, n in zip(counts, lengths, strict=True)):
            last = max(int(at[n - 1]) for at, n in zip(counts, lengths, strict=True))
            return drawn[: last + 1]
    raise AssertionError("draws have no end")
