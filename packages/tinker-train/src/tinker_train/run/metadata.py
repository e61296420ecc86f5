"""The facts of a run's training, stored with each of its checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tinker_core import Fingerprint
from tinker_train.engine.training_client import Lora
from tinker_train.run.config import RunConfig
from tinker_train.run.description import installed_versions, read_description


def run_metadata(
    config: RunConfig,
    renderer: str | None,
    lora: Mapping[str, str],
    fingerprints: Sequence[Fingerprint],
) -> dict[str, str]:
    """The metadata of all checkpoints of a run, whose directory exists. `lora` is its shape."""
    known = {
        "run_id": read_description(config.run_dir).get("run_id"),
        "run_dir": str(config.run_dir.resolve()),
        "base_model": config.model,
        "renderer": renderer,
        "data": "; ".join(f"{each.name} {each.digest or 'unknown'}" for each in fingerprints),
        "versions": ", ".join(f"{name} {number}" for name, number in installed_versions().items()),
    }
    return {**lora, **{key: value for key, value in known.items() if value}}


def lora_shape(lora: Lora) -> dict[str, str]:
    """Rank and trained layers."""
    trained = {"mlp": lora.train_mlp, "attn": lora.train_attn, "unembed": lora.train_unembed}
    layers = ", ".join(name for name, is_trained in trained.items() if is_trained)
    return {"lora_rank": str(lora.rank), "lora_layers": layers}
