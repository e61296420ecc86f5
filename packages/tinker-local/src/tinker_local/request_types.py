"""Requests and results that cross between the API and the backend.

The API decodes requests into these types and encodes results from them; the backend sees nothing
else. Arrays are numpy, on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from attrs import field, frozen, validators
from numpy.typing import NDArray

StopReason = Literal["stop", "length"]

LORA_ALPHA = 32
"""Fixed. An update is scaled by alpha / rank, so that one learning rate suits every rank."""


@frozen(kw_only=True)
class LoraSpec:
    """The linear layers of a model that get an adapter, and its rank."""

    rank: int = field(default=32, validator=validators.ge(1))
    seed: int | None = None
    train_attn: bool = True
    train_mlp: bool = True
    train_unembed: bool = True


@frozen(kw_only=True)
class AdamParams:
    """One step of AdamW, as `torch.optim.AdamW` defines it."""

    learning_rate: float = field(default=1e-4, validator=validators.ge(0))
    beta1: float = 0.9
    beta2: float = 0.95
    eps: float = 1e-12
    weight_decay: float = 0.0
    grad_clip_norm: float = 0.0
    """0: no clipping."""


@frozen(kw_only=True, eq=False)
class Datum:
    """A sequence and the inputs of its loss. Row i of an input belongs to the token after i."""

    tokens: NDArray[np.int64]
    """Shape (N,)."""
    inputs: dict[str, NDArray[np.generic]]
    """`target_tokens`, `weights`, `logprobs`, `advantages` and others, of shape (N,) or (N, K).
    Sparse tensors are dense here."""


@frozen(kw_only=True, eq=False)
class LossRequest:
    """A forward pass with a loss, and a backward pass unless `forward_only`."""

    data: tuple[Datum, ...]
    loss_fn: str
    config: dict[str, float | str]
    forward_only: bool


@frozen(kw_only=True, eq=False)
class LossResult:
    """The outputs of each datum, and metrics."""

    outputs: tuple[dict[str, NDArray[np.float32]], ...]
    """`logprobs`, in the shape of the datum's `target_tokens`."""
    metrics: dict[str, float]
    """Each name has exactly one colon and a reduction (`loss:sum`), as the SDK demands."""


@frozen(kw_only=True, eq=False)
class SampledToken:
    """One token of a sample."""

    sample: int
    """The index of the sample in its request."""
    token: int
    logprob: float
    top_logprobs: tuple[tuple[int, float], ...]
    """The `topk_sample_logprobs` most likely tokens at this position, with logprobs, in order."""
    stop_reason: StopReason | None
    """Set with the last token of the sample."""


@frozen(kw_only=True, eq=False)
class SampleRequest:
    """`num_samples` samples of one prompt."""

    prompt: NDArray[np.int64]
    """Shape (P,), P >= 1."""
    num_samples: int = 1
    max_tokens: int | None = None
    """None: until the context is full."""
    temperature: float = 1.0
    """0: greedy."""
    top_k: int = -1
    """-1: off."""
    top_p: float = 1.0
    seed: int | None = None
    stop_tokens: frozenset[int] | None = None
    """None: the model's end-of-sequence tokens, also beside stop strings. Empty: no stop token."""
    stop_strings: tuple[str, ...] = ()
    prompt_logprobs: bool = False
    topk_prompt_logprobs: int = 0
    topk_sample_logprobs: int = 0
    target_prompt_logprobs: NDArray[np.int64] | None = None
    """Shape (P - 1, K): tokens whose logprob after each prefix is wanted. -1 is skipped: 0.0."""
    prompt_alt_tokens_k: int = 0
    """Alternative tokens to draw at each position of the prompt."""
    prompt_logprobs_last_n: int | None = None
    """Score only the last n tokens of the prompt."""
    on_token: Callable[[SampledToken], None] | None = None
    """Called with every token on the worker thread. It must neither block nor raise."""


@frozen(kw_only=True, eq=False)
class TopK:
    """The k most likely tokens at n positions, shapes (n, k). Unset: id 0, logprob -99999.0."""

    ids: NDArray[np.int32]
    logprobs: NDArray[np.float32]


@frozen(kw_only=True, eq=False)
class SampledSequence:
    """One sample. It includes the stop token, or the tokens that complete a stop string."""

    tokens: NDArray[np.int32]
    logprobs: NDArray[np.float32]
    """Log-softmax of the logits at temperature 1, without top-k or top-p."""
    stop_reason: StopReason
    topk: TopK | None = None


@frozen(kw_only=True, eq=False)
class SampleResult:
    """The answer to a `SampleRequest`."""

    sequences: tuple[SampledSequence, ...]
    prompt_logprobs: NDArray[np.float32] | None = None
    """Shape (P,). NaN at position 0, and before the last n where only those are scored."""
    topk_prompt: TopK | None = None
    target_prompt_logprobs: NDArray[np.float32] | None = None
    """The shape of the request's `target_prompt_logprobs`."""
    alt_tokens: NDArray[np.int32] | None = None
    """Shape (P - 1, k), drawn at the temperature of the request."""
    alt_logprobs: NDArray[np.float32] | None = None
    """The shape of `alt_tokens`."""
    cached_tokens: int = 0
    """Prompt tokens that came from the prefix cache."""
