"""A PEFT adapter_config.json: the scale of each module, and what cannot be merged."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import field, frozen

from tinker_core import CheckpointError

CONFIG, TENSORS = "adapter_config.json", "adapter_model.safetensors"

_UNSUPPORTED: dict[str, str] = {
    "use_dora": "DoRA",
    "lora_bias": "a bias beside the low-rank matrices",
    "modules_to_save": "whole modules beside the adapter",
    "trainable_token_indices": "trained rows of the embedding",
    "layer_replication": "replicated layers",
    "alora_invocation_tokens": "activated LoRA",
    "use_qalora": "QALoRA",
    "use_bdlora": "block-diagonal LoRA",
}
"""Fields that change what an adapter computes, and are off where they are empty."""
_CHANGES_BASE = ("pissa", "olora", "corda", "loftq")
"""Initialisations that also change the base model's weights."""


@frozen(kw_only=True)
class AdapterConfig:
    """The checked contents of adapter_config.json."""

    rank: int
    alpha: float
    base_model: str | None = None
    """A name on the hub, or a folder of the machine that wrote the adapter; not checked."""
    use_rslora: bool = False
    rank_pattern: Mapping[str, int] = field(factory=dict)
    alpha_pattern: Mapping[str, float] = field(factory=dict)
    target_parameters: tuple[str, ...] = ()

    def rank_of(self, module: str) -> int:
        return int(_match(self.rank_pattern, module, self.rank))

    def scale_of(self, module: str) -> float:
        """The factor of B A that is added to the module's weight."""
        alpha, rank = float(_match(self.alpha_pattern, module, self.alpha)), self.rank_of(module)
        return alpha / math.sqrt(rank) if self.use_rslora else alpha / rank


def read_adapter_config(folder: Path) -> AdapterConfig:
    """Read and check a folder's adapter_config.json.

    Raises CheckpointError for what is not a LoRA adapter, and for features that cannot be merged.
    """
    file = folder / CONFIG
    try:
        raw: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        rank, alpha = int(raw["r"]), float(raw["lora_alpha"])
    except FileNotFoundError:
        raise CheckpointError(f"{folder} holds no adapter: there is no {CONFIG}") from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CheckpointError(f"{file} cannot be used: {error!r}") from error
    if rank < 1:
        raise CheckpointError(f"{file}: r is {rank}, expected at least 1")
    if reason := _unsupported(raw):
        raise CheckpointError(f"{file}: {reason}")
    return AdapterConfig(
        rank=rank,
        alpha=alpha,
        base_model=raw.get("base_model_name_or_path") or None,
        use_rslora=bool(raw.get("use_rslora")),
        rank_pattern=raw.get("rank_pattern") or {},
        alpha_pattern=raw.get("alpha_pattern") or {},
        target_parameters=tuple(raw.get("target_parameters") or ()),
    )


def _unsupported(raw: Mapping[str, Any]) -> str | None:
    """The reason why the adapter cannot be merged; None if it can."""
    if raw.get("peft_type", "LORA") != "LORA":
        return f"peft_type is {raw['peft_type']!r}, expected 'LORA'"
    for key, what in _UNSUPPORTED.items():
        if raw.get(key):
            return f"{what} ({key}) is not supported"
    if raw.get("bias", "none") != "none":
        return f"trained biases (bias={raw['bias']!r}) are not supported"
    if str(raw.get("init_lora_weights")).lower().startswith(_CHANGES_BASE):
        return (
            f"init_lora_weights={raw['init_lora_weights']!r} also changed the base model, which "
            "the adapter does not hold"
        )
    return None


def _match(pattern: Mapping[str, float], module: str, otherwise: float) -> float:
    """PEFT's rule: the first key that matches the end of the module's path, whole names only."""
    for key, value in pattern.items():
        if re.match(rf"(.*\.)?({key})$", module):
            return value
    return otherwise
