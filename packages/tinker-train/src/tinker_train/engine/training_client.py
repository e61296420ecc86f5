"""Training clients: a new LoRA on a base model, or a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping

import tinker
from attrs import field, frozen, validators

from tinker_core import ConfigError
from tinker_core.engine.errors import engine_errors


def _trains_something(lora: Lora, _: object, __: object) -> None:
    if not (lora.train_mlp or lora.train_attn or lora.train_unembed):
        raise ConfigError("one of train_mlp, train_attn and train_unembed must be true")


@frozen(kw_only=True)
class Lora:
    """Low-rank adaptation (Hu et al., 2021): which layers are trained, and with which rank."""

    rank: int = field(default=32, validator=validators.ge(1))
    """Rank of the adapters. Their scale is 32 / rank, so one learning rate suits every rank."""
    train_mlp: bool = True
    """Train the layers of the feed-forward blocks."""
    train_attn: bool = True
    """Train the projections of attention."""
    train_unembed: bool = field(default=True, validator=_trains_something)
    """Train the unembedding, which computes the logits."""


async def create_training_client(
    service: tinker.ServiceClient,
    model: str,
    lora: Lora,
    *,
    seed: int,
    user_metadata: Mapping[str, str] | None = None,
) -> tinker.TrainingClient:
    """A new LoRA on a base model; raises EngineError that names the model."""
    with engine_errors(f"model {model!r}"):
        client: tinker.TrainingClient = await service.create_lora_training_client(
            model,
            rank=lora.rank,
            seed=seed,
            train_mlp=lora.train_mlp,
            train_attn=lora.train_attn,
            train_unembed=lora.train_unembed,
            user_metadata=dict(user_metadata or {}),
        )
    return client


async def load_training_client(
    service: tinker.ServiceClient,
    state_path: str,
    *,
    optimizer: bool,
    user_metadata: Mapping[str, str] | None = None,
) -> tinker.TrainingClient:
    """The model of a checkpoint, with its optimizer state or a fresh optimizer.

    Raises EngineError that names the path.
    """
    load = (
        service.create_training_client_from_state_with_optimizer
        if optimizer
        else service.create_training_client_from_state
    )
    with engine_errors(f"checkpoint {state_path}"):
        client: tinker.TrainingClient = await load(
            state_path, user_metadata=dict(user_metadata or {})
        )
    return client
