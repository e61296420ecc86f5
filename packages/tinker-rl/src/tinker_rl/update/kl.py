"""Estimates of the KL divergence of two models from tokens that one of them sampled.

For tokens drawn from q, with p the other model and r = p / q of each token (Schulman, 2020,
"Approximating KL Divergence"):

    k1   -log r            unbiased for KL(q || p), of high variance, may be negative
    k2   (log r)^2 / 2     biased, of low variance
    k3   r - 1 - log r     unbiased, of low variance, never negative
"""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import ArrayLike, NDArray

from tinker_core import DataError
from tinker_rl.update.advantages import discounted_sums


@frozen(kw_only=True)
class KL:
    """Three estimates of KL(q || p), in nats per token."""

    k1: float
    k2: float
    k3: float


def estimate_kl(q_T: ArrayLike, p_T: ArrayLike) -> KL:
    """The estimates from logprobs of the same T tokens, drawn from q. Zeros for no token."""
    q_T, p_T = np.asarray(q_T, dtype=np.float64), np.asarray(p_T, dtype=np.float64)
    if q_T.shape != p_T.shape:
        raise DataError(f"{q_T.size} logprobs of one model, but {p_T.size} of the other")
    if not q_T.size:
        return KL(k1=0.0, k2=0.0, k3=0.0)
    log_r_T = p_T - q_T
    return KL(
        k1=float(-log_r_T.mean()),
        k2=float((log_r_T**2).mean() / 2),
        k3=float((np.expm1(log_r_T) - log_r_T).mean()),
    )


def estimate_entropy(q_T: ArrayLike) -> float:
    """Mean of -log q over tokens drawn from q, in nats per token. Zero for no token."""
    q_T = np.asarray(q_T, dtype=np.float64)
    return float(-q_T.mean()) if q_T.size else 0.0


def kl_advantages(
    policy_T: ArrayLike, reference_T: ArrayLike, coefficient: float, discount: float = 0.0
) -> NDArray[np.float64]:
    """The KL term of the advantages of T sampled tokens, shape (T,).

    -coefficient * (log policy - log reference): the reverse KL, token by token. With a discount,
    the terms of later tokens are added, discounted for each token.
    """
    log_ratio_T = np.asarray(policy_T, dtype=np.float64) - np.asarray(reference_T, dtype=np.float64)
    return -coefficient * discounted_sums(log_ratio_T, discount)
