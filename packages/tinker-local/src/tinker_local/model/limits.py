"""What the tokens of a request must fit in: the vocabulary and the context."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from tinker_local.errors import RequestError


@frozen(kw_only=True)
class Limits:
    """What a sequence must fit in."""

    vocab_size: int
    context_length: int


def check_vocabulary(tokens: NDArray[Any], vocab_size: int, place: str) -> None:
    """RequestError unless every token is an integer in [0, vocab_size)."""
    if tokens.dtype.kind not in "iu":
        raise RequestError(f"{place} must hold integers, not {tokens.dtype}")
    wrong = np.argwhere((tokens < 0) | (tokens >= vocab_size))
    if len(wrong):
        at = tuple(int(i) for i in wrong[0])
        value = int(tokens[at])
        raise RequestError(
            f"{place}: token {value} at {list(at)} is outside the vocabulary of {vocab_size}"
        )
