"""Helpers for sequences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, TypeVar

T = TypeVar("T")


def safezip(*sequences: Sequence[Any]) -> list[tuple[Any, ...]]:
    """`zip` to a list; raises ValueError with the lengths if they differ."""
    lengths = [len(sequence) for sequence in sequences]
    if len(set(lengths)) > 1:
        raise ValueError(f"sequences of different lengths: {lengths}")
    return list(zip(*sequences, strict=True))


def split_list(items: Sequence[T], parts: int) -> list[list[T]]:
    """Split into `parts` consecutive lists whose lengths differ by one at most."""
    if parts < 1:
        raise ValueError(f"parts must be at least 1, not {parts}")
    ends = [round(i * len(items) / parts) for i in range(parts + 1)]
    return [list(items[a:b]) for a, b in pairwise(ends)]


def all_same(items: Iterable[Any]) -> bool:
    """True if all items are equal; also for no items."""
    found = list(items)
    return all(item == found[0] for item in found)
