"""A base model: a Hugging Face causal LM whose frozen weights all clients share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from attrs import define, field
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer

from tinker_local.model.attention import Attend, WholeSequences, attending, running
from tinker_local.model.kv_cache import CachedAttention, CacheShape, Stretch
from tinker_local.model.lora import Segment, Site, active, adapting

_CHUNK_FLOATS = 6 * 2**20
"""Logits at a time: 24 MiB. Larger blocks come fresh from the system at every use, page by page."""


def chunks(rows: int, vocab_size: int) -> Iterator[slice]:
    """Slices of rows whose logits fit the chunk size."""
    step = max(1, _CHUNK_FLOATS // vocab_size)
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


@define(kw_only=True, eq=False)
class BaseModel:
    """The frozen network, its head apart, and what the engine has to know about it."""

    name: str
    folder: Path
    architecture: str
    """transformers' model type, such as `llama`."""
    vocab_size: int
    context_length: int
    eos_tokens: frozenset[int]
    tokenizer: Any
    """A Hugging Face fast tokenizer; None when the folder holds none."""
    sites: tuple[Site, ...]
    network: Any = field(repr=False)
    """A `transformers.PreTrainedModel`."""
    head: Any = field(repr=False)
    """The same network with a stand-in for its decoder: hidden states in, logits out."""
    ragged: bool = False
    """Many sequences run as one row; otherwise one after another."""
    cache_shape: CacheShape | None = None
    """None: keys and values stay in transformers' own cache, a sequence at a time."""

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return torch.device(self.network.device)

    @property
    def dtype(self) -> torch.dtype:
        """What the weights are."""
        dtype: torch.dtype = self.network.dtype
        return dtype

    def decode(self, tokens: Tensor, **options: Any) -> Any:
        """The network below the head, on token ids (1, T)."""
        return self.network.get_decoder()(input_ids=tokens, **options)

    def hidden(self, sequences: Sequence[Tensor], segments: Sequence[Segment] = ()) -> Tensor:
        """Final hidden states (T, width) of whole sequences of token ids, one after another.

        When a model is not ragged, `segments` can only be one adapter for all rows.
        """
        if not self.ragged:
            return torch.cat([self._alone(tokens, segments) for tokens in sequences])
        positions = torch.cat([torch.arange(len(tokens)) for tokens in sequences])
        attend = WholeSequences([len(tokens) for tokens in sequences])
        with adapting(segments):
            return self.one_row(torch.cat(list(sequences)), positions, attend)

    def extend(
        self, tokens: Tensor, stretches: Sequence[Stretch], segments: Sequence[Segment]
    ) -> Tensor:
        """Final hidden states (T, width) of the next tokens (T,) of cached sequences.

        The tokens of one stretch follow those of another; afterwards they are cached.
        """
        positions = [p for s in stretches for p in range(s.slot.filled, s.slot.filled + s.count)]
        attend = CachedAttention(stretches, self.device)
        with adapting(segments):
            hidden = self.one_row(tokens, torch.tensor(positions), attend)
        for stretch in stretches:
            stretch.slot.filled += stretch.count
        return hidden

    def one_row(self, tokens: Tensor, positions: Tensor, attend: Attend) -> Tensor:
        """Final hidden states (T, width) of tokens (T,) at given positions of their sequences."""
        with attending(attend):
            output = self.decode(
                tokens.to(self.device)[None],
                position_ids=positions.to(self.device)[None],
                use_cache=False,
            )
        hidden: Tensor = output.last_hidden_state[0]
        return hidden

    def _alone(self, tokens: Tensor, segments: Sequence[Segment]) -> Tensor:
        with adapting([Segment(start=0, end=len(tokens), weights=s.weights) for s in segments]):
            output = self.decode(tokens.to(self.device)[None], use_cache=False)
        hidden: Tensor = output.last_hidden_state[0]
        return hidden

    def logits(self, hidden: Tensor, segments: Sequence[Segment] = ()) -> Tensor:
        """Logits (R, vocabulary), float32, of hidden states (R, width)."""
        with adapting(segments):
            logits: Tensor = self.head(inputs_embeds=hidden[None]).logits[0]
        return logits.float()

    @contextmanager
    def recomputing(self) -> Iterator[None]:
        """Inside the block, backward recomputes each layer instead of keeping what is inside it.

        Only the layers themselves are put into training mode: dropout stays off.
        """
        layers: list[Any] = [
            m for m in self.network.modules() if isinstance(m, GradientCheckpointingLayer)
        ]
        again = partial(
            checkpoint, use_reentrant=False, preserve_rng_state=False, context_fn=_as_before
        )
        for layer in layers:
            layer.training = layer.gradient_checkpointing = True
            layer._gradient_checkpointing_func = again
        try:
            yield
        finally:
            for layer in layers:
                layer.training = layer.gradient_checkpointing = False


def _as_before() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """Contexts of a layer's computation and of its repetition, which sees the same pass."""
    return nullcontext(), _repeated(running(), active())


@contextmanager
def _repeated(attend: Attend | None, segments: Sequence[Segment]) -> Iterator[None]:
    with nullcontext() if attend is None else attending(attend), adapting(segments):
        yield
