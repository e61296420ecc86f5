"""Tiny random models, adapters as the engine trains and stores them, and the engine's logits."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
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

sys.path.insert(0, str(Path(__file__).parent))  # weights_engine.py
import weights_engine as engine

os.environ["HF_HUB_OFFLINE"] = "1"  # no test reaches a hub
os.environ["TINKER_TELEMETRY"] = "0"


def pytest_configure(config: pytest.Config) -> None:
    """The SDK leaves the sockets of its configuration calls to the garbage collector."""
    config.addinivalue_line("filterwarnings", "ignore:unclosed (transport|<socket):ResourceWarning")


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
        trainer = engine.random_trainer(model, lambda name, tensor: 0.05, rank, **spec)
        tensors, home = trainer.state(optimizer=False), tmp_path_factory.mktemp("home")
        adapter, _ = engine.store(home, tensors, str(base), spec={"rank": rank, **spec})
        return Checkpoint(
            base=base, adapter=adapter, logits=engine.logits(model, trainer, engine.TOKENS)
        )

    return make


@pytest.fixture(scope="session")
def computed() -> Callable[..., NDArray[np.float32]]:
    """`weights_engine.logits_of`."""
    return engine.logits_of
