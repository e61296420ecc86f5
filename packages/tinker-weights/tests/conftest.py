"""Tiny random models, adapters as the engine trains and stores them, and the engine's logits."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from attrs import frozen
from numpy.typing import NDArray
from transformers import AutoModelForCausalLM, PreTrainedConfig
from transformers.utils import logging

from tinker_local.model.load import load_model
from tinker_local.model.lora_adapter import LoraAdapter
from tinker_local.model.lora_layer import Segment
from tinker_local.request_types import LoraSpec
from tinker_local.storage.checkpoint_path import make_path
from tinker_local.storage.checkpoint_store import CheckpointMetadata, CheckpointStore
from tinker_local.training.trainer import Trainer

sys.path.insert(0, str(Path(__file__).parent))  # architectures.py
os.environ["HF_HUB_OFFLINE"] = "1"  # no test reaches a hub
os.environ["TINKER_TELEMETRY"] = "0"

TOKENS = torch.tensor([5, 17, 200, 3, 99, 42, 7, 128, 64, 31])


@frozen(kw_only=True)
class Checkpoint:
    """A base model and an adapter on it, and what the engine computes with both."""

    base: Path
    adapter: Path
    logits: NDArray[np.float32]
    """Of base + adapter, shape (tokens, vocabulary)."""


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """The models are too small for more."""
    torch.set_num_threads(1)
    logging.disable_progress_bar()


@pytest.fixture(scope="session")
def save_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write a random model of a configuration."""

    def save(config: PreTrainedConfig, seed: int = 0, **options: Any) -> Path:
        torch.manual_seed(seed)
        folder = tmp_path_factory.mktemp("model")
        model = AutoModelForCausalLM.from_config(config)
        for parameter in model.parameters():  # so that logits are not all alike
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=0.1)
        model.tie_weights()
        model.save_pretrained(folder, **options)
        return folder

    return save


@pytest.fixture(scope="session")
def train(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Checkpoint]:
    """An adapter of the engine on a model, with random matrices, stored by the engine."""

    def make(base: Path, rank: int = 4, **spec: Any) -> Checkpoint:
        model = load_model(base, name=str(base))
        trainer = Trainer(model, LoraSpec(rank=rank, seed=0, **spec))
        generator = torch.Generator().manual_seed(1)
        state = {
            name: torch.randn(tensor.shape, generator=generator) * 0.05
            for name, tensor in trainer.state(optimizer=False).items()
        }
        trainer.load_state(state, optimizer=False)
        store = CheckpointStore(tmp_path_factory.mktemp("home"))
        path = make_path("run:train:0", "sampler_weights", "final")
        metadata = CheckpointMetadata(
            base_model=str(base), spec=LoraSpec(rank=rank, **spec), created=datetime.now(UTC)
        )
        store.write(path, metadata, trainer.state(optimizer=False), {})
        logits = engine_logits(model, trainer.adapter())
        return Checkpoint(base=base, adapter=store.folder(path), logits=logits)

    return make


def engine_logits(model: Any, adapter: LoraAdapter) -> NDArray[np.float32]:
    """What the engine computes, shape (tokens, vocabulary)."""
    rows = [Segment(start=0, end=len(TOKENS), adapter=adapter)]
    with torch.no_grad():
        logits: NDArray[np.float32] = model.logits(model.forward([TOKENS], rows), rows).numpy()
    return logits


def logits_of(folder: Path, loader: Any = AutoModelForCausalLM) -> NDArray[np.float32]:
    """What transformers computes with a model folder."""
    model = loader.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
    with torch.no_grad():
        logits: NDArray[np.float32] = model(TOKENS[None], use_cache=False).logits[0].numpy()
    return logits


@pytest.fixture(scope="session")
def computed() -> Callable[..., NDArray[np.float32]]:
    """`logits_of`."""
    return logits_of
