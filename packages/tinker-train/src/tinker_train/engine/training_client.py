"""The model to train: a new LoRA on a base model, or a checkpoint to go on from."""

from __future__ import annotations

from collections.abc import Mapping

import tinker
from attrs import field, frozen, validators

from tinker_core import ConfigError
from tinker_core.engine.errors import engine_errors


def _trains_something(lora: Lora, _: object, __: object) -> None:
    if not (lora.train_mlp or lora.train_attn or lora.train_unembed):
        raise ConfigError("a LoRA trains at least one of train_mlp, train_attn, train_unembed")


@frozen(kw_only=True)
class Lora:
    """What is trained: low-rank matrices beside the base model's (Hu et al., 2021)."""

    rank: int = field(default=32, validator=validators.ge(1))
    """Rank of the matrices; their scale is 32 / rank, so that it changes no learning rate."""
    train_mlp: bool = True
    """Beside the layers of the feed-forward blocks."""
    train_attn: bool = True
    """Beside the projections of attention."""
    train_unembed: bool = field(default=True, validator=_trains_something)
    """Beside the layer that makes logits."""


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
    """A saved state to go on training from, the optimizer as it was or as new.

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
