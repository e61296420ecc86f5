"""A base model: a Hugging Face causal LM whose frozen weights all clients share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from attrs import define, field
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer

from tinker_local.errors import RequestError
from tinker_local.model.attention import (
    Attention,
    UncachedAttention,
    active_attention,
    use_attention,
)
from tinker_local.model.kv_pool import CacheShape
from tinker_local.model.lora_adapter import (
    LoraAdapter,
    TargetModule,
    copy_tensors,
    select_targets,
    zero_adapter,
)
from tinker_local.model.lora_layer import Segment, active_segments, use_adapters
from tinker_local.request_types import LoraSpec

CHUNK_FLOATS = 6 * 2**20
"""Logits computed at a time: 24 MiB. The system maps a larger block anew at every use."""


@define(kw_only=True, eq=False)
class BaseModel:
    """The frozen network, its unembedding apart, and what the engine has to know about it."""

    name: str
    folder: Path
    architecture: str
    """transformers' model type, such as `llama`."""
    vocab_size: int
    context_length: int
    eos_tokens: frozenset[int]
    tokenizer: Any
    """The Hugging Face tokenizer; None when the folder has none."""
    targets: tuple[TargetModule, ...]
    """The layers that can carry an adapter."""
    network: Any = field(repr=False)
    """A `transformers.PreTrainedModel`."""
    head: Any = field(repr=False)
    """The network without its decoder: hidden states in, logits out."""
    ragged: bool = False
    """Many sequences run as one ragged row; otherwise one after another."""
    cache_shape: CacheShape | None = None
    """None: the architecture cannot use the KV cache, only the fallback cache."""

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return torch.device(self.network.device)

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the weights."""
        dtype: torch.dtype = self.network.dtype
        return dtype

    def check_tokens(self, tokens: NDArray[Any], place: str) -> None:
        """RequestError unless every token is an integer of the vocabulary."""
        if tokens.dtype.kind not in "iu":
            raise RequestError(f"{place} must hold integers, not {tokens.dtype}")
        wrong = np.argwhere((tokens < 0) | (tokens >= self.vocab_size))
        if len(wrong):
            at = tuple(int(i) for i in wrong[0])
            raise RequestError(
                f"{place}: token {int(tokens[at])} at {list(at)} is outside the vocabulary of "
                f"{self.vocab_size}"
            )

    def load_adapter(self, spec: LoraSpec, tensors: Mapping[str, Tensor]) -> LoraAdapter:
        """An adapter from tensors by PEFT's names. RequestError when names or shapes differ."""
        targets = select_targets(self.targets, spec)
        adapter = zero_adapter(targets, spec.rank, self.device, self.dtype)
        copy_tensors(adapter.tensors(), tensors)
        return adapter

    def forward(self, sequences: Sequence[Tensor], segments: Sequence[Segment] = ()) -> Tensor:
        """Final hidden states (T, width) of whole sequences of token ids, one after another.

        Where the model is not ragged, at most one segment is allowed, for all rows.
        """
        if not self.ragged:
            return torch.cat([self._forward_alone(tokens, segments) for tokens in sequences])
        positions = torch.cat([torch.arange(len(tokens)) for tokens in sequences])
        attention = UncachedAttention([len(tokens) for tokens in sequences])
        with use_adapters(segments):
            return self.forward_row(torch.cat(list(sequences)), positions, attention)

    def forward_row(self, tokens: Tensor, positions: Tensor, attention: Attention) -> Tensor:
        """Final hidden states (T, width) of a ragged row: tokens (T,) and their positions (T,)."""
        positions = positions.to(self.device)[None]
        with use_attention(attention):
            output = self.run_decoder(
                tokens.to(self.device), position_ids=positions, use_cache=False
            )
        hidden: Tensor = output.last_hidden_state[0]
        return hidden

    def _forward_alone(self, tokens: Tensor, segments: Sequence[Segment]) -> Tensor:
        with use_adapters([Segment(adapter=segment.adapter) for segment in segments]):
            output = self.run_decoder(tokens.to(self.device), use_cache=False)
        hidden: Tensor = output.last_hidden_state[0]
        return hidden

    def run_decoder(self, tokens: Tensor, **options: Any) -> Any:
        """The network below the unembedding on a row of token ids (T,)."""
        return self.network.get_decoder()(input_ids=tokens[None], **options)

    def logits(self, hidden: Tensor, segments: Sequence[Segment] = ()) -> Tensor:
        """Logits (R, vocabulary), float32, of hidden states (R, width)."""
        with use_adapters(segments):
            logits: Tensor = self.head(inputs_embeds=hidden[None]).logits[0]
        return logits.float()

    def row_chunks(self, rows: int, floats: int = 1) -> Iterator[slice]:
        """Slices of rows that keep a chunk of logits, with so many floats for each, small."""
        step = max(1, CHUNK_FLOATS // (floats * self.vocab_size))
        for start in range(0, rows, step):
            yield slice(start, min(start + step, rows))

    @contextmanager
    def activation_checkpointing(self) -> Iterator[None]:
        """Inside the block, backward computes each layer again instead of keeping activations.

        Only the layers are put into training mode, so that dropout stays off.
        """
        layers: list[Any] = [
            m for m in self.network.modules() if isinstance(m, GradientCheckpointingLayer)
        ]
        checkpointed = partial(
            checkpoint,
            use_reentrant=False,
            preserve_rng_state=False,
            context_fn=_checkpoint_contexts,
        )
        for layer in layers:
            layer.training = layer.gradient_checkpointing = True
            layer._gradient_checkpointing_func = checkpointed
        try:
            yield
        finally:
            for layer in layers:
                layer.training = layer.gradient_checkpointing = False


def _checkpoint_contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    """The contexts of a forward pass and of its repetition, which needs the same attention."""
    return nullcontext(), _same_pass(active_attention(), active_segments())


@contextmanager
def _same_pass(attention: Attention | None, segments: Sequence[Segment]) -> Iterator[None]:
    attended = nullcontext() if attention is None else use_attention(attention)
    with attended, use_adapters(segments):
        yield
