"""The plain values that cross between the wire and the compute side of the engine.

The wire decodes requests into these and encodes results from these; the compute side sees nothing
else. Arrays are numpy, on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from attrs import field, frozen, validators
from numpy.typing import NDArray

StopReason = Literal["stop", "length"]


@frozen(kw_only=True)
class LoraSpec:
    """Which linear layers of a model get an adapter, and how wide it is."""

    rank: int = field(default=32, validator=validators.ge(1))
    seed: int | None = None
    train_attn: bool = True
    train_mlp: bool = True
    train_unembed: bool = True


@frozen(kw_only=True)
class AdamParams:
    """A step of AdamW, as `torch.optim.AdamW` defines it; `grad_clip_norm` 0 means no clipping."""

    learning_rate: float = field(default=1e-4, validator=validators.ge(0))
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-12
    weight_decay: float = 0.0
    grad_clip_norm: float = 0.0


@frozen(kw_only=True, eq=False)
class Datum:
    """A sequence and what its loss needs; row i of an input is about the token after tokens[i]."""

    tokens: NDArray[np.int64]
    """Shape (N,)."""
    inputs: dict[str, NDArray[np.generic]]
    """By name (`target_tokens`, `weights`, `logprobs`, `advantages`, ...), shape (N,) or (N, K);
    sparse tensors arrive densified."""


@frozen(kw_only=True, eq=False)
class LossRequest:
    """A forward pass with a loss, and a backward pass unless `forward_only`."""

    data: tuple[Datum, ...]
    loss_fn: str
    config: dict[str, float | str]
    forward_only: bool


@frozen(kw_only=True, eq=False)
class LossResult:
    """Per datum its outputs (`logprobs`, float32, the shape of its `target_tokens`), and metrics.

    Metric names carry exactly one colon and a reduction (`loss:sum`), as the SDK demands.
    """

    outputs: tuple[dict[str, NDArray[np.float32]], ...]
    metrics: dict[str, float]


@frozen(kw_only=True, eq=False)
class Drawn:
    """One token of a sample."""

    sample: int
    """Which of the request's samples."""
    token: int
    logprob: float
    likeliest: tuple[tuple[int, float], ...]
    """Tokens and logprobs at this place, `topk_sample_logprobs` of them, the likeliest first."""
    stop_reason: StopReason | None
    """With the sample's last token."""


@frozen(kw_only=True, eq=False)
class SampleRequest:
    """`num_samples` continuations of one prompt."""

    prompt: NDArray[np.int64]
    """Shape (P,), P >= 1."""
    num_samples: int = 1
    max_tokens: int | None = None
    """None: until the context is full."""
    temperature: float = 1.0
    """0 is greedy."""
    top_k: int = -1
    top_p: float = 1.0
    seed: int | None = None
    stop_tokens: frozenset[int] | None = None
    """None: the model's end-of-sequence tokens (kept beside stop strings); empty: no stop token."""
    stop_strings: tuple[str, ...] = ()
    prompt_logprobs: bool = False
    topk_prompt_logprobs: int = 0
    topk_sample_logprobs: int = 0
    target_prompt_logprobs: NDArray[np.int64] | None = None
    """Shape (P - 1, K): tokens whose logprob after each prefix is wanted; -1 skips (as 0.0)."""
    prompt_alt_tokens_k: int = 0
    prompt_logprobs_last_n: int | None = None
    on_token: Callable[[Drawn], None] | None = None
    """Told of every token as it is drawn, on the worker's thread; must neither wait nor raise."""


@frozen(kw_only=True, eq=False)
class TopK:
    """The k likeliest tokens at n places: shapes (n, k); an empty row is id 0, logprob -99999.0."""

    ids: NDArray[np.int32]
    logprobs: NDArray[np.float32]


@frozen(kw_only=True, eq=False)
class Sequence:
    """One continuation; the stop token, or the tokens that complete a stop string, are included."""

    tokens: NDArray[np.int32]
    logprobs: NDArray[np.float32]
    """Of the model itself: log-softmax of the logits at temperature 1, no top-k or top-p."""
    stop_reason: StopReason
    topk: TopK | None = None


@frozen(kw_only=True, eq=False)
class SampleResult:
    """The answer to a `SampleRequest`."""

    sequences: tuple[Sequence, ...]
    prompt_logprobs: NDArray[np.float32] | None = None
    """Shape (P,), NaN where unknown: always at 0, and before the last n if only those are asked."""
    topk_prompt: TopK | None = None
    target_prompt_logprobs: NDArray[np.float32] | None = None
    alt_tokens: NDArray[np.int32] | None = None
    """Shape (P - 1, k), drawn at the request's temperature, with `alt_logprobs` beside it."""
    alt_logprobs: NDArray[np.float32] | None = None
    cached_tokens: int = 0
    """Prompt tokens whose keys and values were already there."""
