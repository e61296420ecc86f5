"""Oracles: the engine's own parts, and transformers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForCausalLM

from tinker_local.model.lora_layer import Segment
from tinker_local.request_types import LoraSpec, SampleRequest
from tinker_local.sampling.continuous_batching import Sampler
from tinker_local.storage.checkpoint_path import make_path
from tinker_local.storage.checkpoint_store import CheckpointMetadata, CheckpointStore
from tinker_local.training.trainer import Trainer

TOKENS = torch.tensor([5, 17, 200, 3, 99, 42, 7, 128, 64, 31])
"""What the models are asked."""


def random_trainer(
    base: Any, std: Callable[[str, torch.Tensor], float], rank: int, **spec: Any
) -> Trainer:
    """A trainer on a loaded model whose matrices are random, with a deviation for each."""
    trainer = Trainer(base, LoraSpec(rank=rank, seed=0, **spec))
    generator = torch.Generator().manual_seed(1)
    state = {
        name: torch.randn(tensor.shape, generator=generator) * std(name, tensor)
        for name, tensor in trainer.state(optimizer=False).items()
    }
    trainer.load_state(state, optimizer=False)
    return trainer


def store(
    home: Path,
    tensors: dict[str, torch.Tensor],
    base_model: str,
    place: tuple[str, str, str] = ("run:train:0", "sampler_weights", "final"),
    **fields: Any,
) -> tuple[Path, str]:
    """Store an adapter as the engine does: its folder, and its tinker:// path."""
    spec = LoraSpec(**fields.pop("spec", {"rank": 2}))
    metadata = CheckpointMetadata(
        base_model=base_model, spec=spec, created=datetime.now(UTC), **fields
    )
    path, checkpoints = make_path(*place), CheckpointStore(home)
    checkpoints.write(path, metadata, tensors, {}, overwrite=True)
    return checkpoints.folder(path), str(path)


def logits(base: Any, trainer: Trainer, tokens: torch.Tensor) -> NDArray[np.float32]:
    """What the engine computes, shape (tokens, vocabulary)."""
    rows = [Segment(start=0, end=len(tokens), adapter=trainer.adapter())]
    with torch.no_grad():
        found: NDArray[np.float32] = base.logits(base.forward([tokens], rows), rows).numpy()
    return found


def greedy(
    base: Any, trainer: Trainer, prompts: Sequence[Sequence[int]], max_tokens: int
) -> tuple[tuple[int, ...], ...]:
    """What the engine answers, in float32, without stopping."""
    sampler = Sampler(base)
    groups = [
        sampler.add(
            SampleRequest(
                prompt=np.array(prompt), temperature=0.0, max_tokens=max_tokens,
                stop_tokens=frozenset(),
            ),
            trainer.adapter(),
        )
        for prompt in prompts
    ]  # fmt: skip
    outcomes: dict[Any, Any] = {}
    while not sampler.is_idle:
        outcomes.update(dict(sampler.step()))
    found = [outcomes[group].sequences[0].tokens for group in groups]
    return tuple(tuple(int(token) for token in tokens) for tokens in found)


def logits_of(folder: Path, loader: Any = AutoModelForCausalLM) -> NDArray[np.float32]:
    """What transformers computes with a model folder."""
    model = loader.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
    with torch.no_grad():
        logits: NDArray[np.float32] = model(TOKENS[None], use_cache=False).logits[0].numpy()
    return logits
