"""The logistic function, its logarithm and its inverse, without overflow."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

# A response of probability one has infinite odds. Float32 log-probabilities cannot tell one closer
# to it than this.
_LAST_LOGPROB = -1e-7


def log_sigmoid(x: ArrayLike) -> Array:
    """log(1 / (1 + exp(-x)))."""
    return np.asarray(-np.logaddexp(0.0, -np.asarray(x, dtype=np.float64)))


def sigmoid(x: ArrayLike) -> Array:
    """1 / (1 + exp(-x))."""
    return np.asarray(np.exp(log_sigmoid(x)))


def log_odds(logprob: ArrayLike) -> Array:
    """log(p / (1 - p)) of a log-probability log p."""
    logprob = np.minimum(np.asarray(logprob, dtype=np.float64), _LAST_LOGPROB)
    return np.asarray(logprob - np.log(-np.expm1(logprob)))


def dlog_odds(logprob: ArrayLike) -> Array:
    """The derivative of `log_odds` by the log-probability, 1 / (1 - p)."""
    return np.asarray(-1 / np.expm1(np.minimum(logprob, _LAST_LOGPROB)))
