"""`export-adapter`: an adapter in the layout that PEFT, vLLM or SGLang loads."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen
from safetensors.numpy import save_file

from tinker_core import CheckpointError, ConfigError
from tinker_weights.adapter.config import CONFIG, TENSORS
from tinker_weights.adapter.read import Adapter, read_adapter
from tinker_weights.atomic_folder import new_folder
from tinker_weights.base_model.outline import ModelOutline, outline
from tinker_weights.base_model.tensor_names import CONV1D, TensorNames, canonical
from tinker_weights.download.download import adapter_folder
from tinker_weights.export.layout import Entry, entries
from tinker_weights.export.serving import Target, check_target

_PREFIX = "base_model.model."


@frozen(kw_only=True)
class ExportedAdapter:
    """An adapter folder that was written."""

    folder: Path
    target: Target
    modules: int
    rank: int
    """The largest, which a server may have to be told (vLLM's --max-lora-rank)."""


def export_adapter(
    source: str,
    folder: str | Path,
    *,
    target: Target = "peft",
    base: str | None = None,
    step: int | None = None,
    overwrite: bool = False,
) -> ExportedAdapter:
    """Write an adapter in the layout that PEFT, vLLM or SGLang loads.

    The base model's weights are not needed, only the names of its tensors. What the target cannot
    load is refused, with advice: CheckpointError.

    Args:
        source: A tinker:// path, a run's folder, a folder with an adapter, or an archive.
        folder: Where to.
        target: Who is to load it.
        base: The base model's name or folder; as the adapter names it unless given.
        step: Of a run, the checkpoint of this step; the newest unless given.
        overwrite: Replace what is in the folder.
    """
    with adapter_folder(source, step=step) as found:
        adapter = read_adapter(found)
        model = outline(adapter.base_name(base))
        return write_adapter(
            adapter, model, Path(folder).expanduser(), target=target, overwrite=overwrite
        )


def write_adapter(
    adapter: Adapter,
    base: ModelOutline,
    folder: Path,
    *,
    target: Target = "peft",
    overwrite: bool = False,
) -> ExportedAdapter:
    """Write the adapter for the target; the folder appears whole or not at all.

    Raises CheckpointError for what the target cannot load, and says what to do instead.
    """
    check_target(target, base.architecture, base.model_type, adapter.modules)
    names = TensorNames(base.shapes)
    _check_belongs(adapter, base, names)
    found = entries(adapter.pairs, base, names, target)
    config = _config(found, adapter, base, names, target)
    tensors = {}
    for entry in found:
        kind = "lora_embedding_" if entry.is_embedding else "lora_"
        end = "" if entry.is_embedding else ".weight"
        tensors[f"{_PREFIX}{entry.key}.{kind}A{end}"] = np.ascontiguousarray(entry.a)
        tensors[f"{_PREFIX}{entry.key}.{kind}B{end}"] = np.ascontiguousarray(entry.b)
    with new_folder(folder, overwrite=overwrite) as partial:
        save_file(tensors, partial / TENSORS, {"format": "pt"})
        text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
        (partial / CONFIG).write_text(text, encoding="utf-8")
    return ExportedAdapter(
        folder=folder,
        target=target,
        modules=len(found),
        rank=max(entry.rank for entry in found),
    )


def _check_belongs(adapter: Adapter, base: ModelOutline, names: TensorNames) -> None:
    """Raise ConfigError where the base model lacks one of the adapter's linear layers."""
    for pair in adapter.pairs:
        if pair.expert is None and not names.has_layer(pair.module):
            raise ConfigError(
                f"the adapter changes {pair.module}, and {base.folder} ({base.architecture}) has "
                "no such weight: is it the base model?"
            )


def _config(
    found: list[Entry],
    adapter: Adapter,
    base: ModelOutline,
    names: TensorNames,
    target: Target,
) -> dict[str, Any]:
    """PEFT's config. Its rank is that of stacked experts, where there are any, else of most."""
    stacked = [entry for entry in found if entry.parameter]
    (rank, scale), _ = Counter((e.rank, e.scale) for e in stacked or found).most_common(1)[0]
    config: dict[str, Any] = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": adapter.config.base_model or str(base.folder),
        "r": rank,
        "lora_alpha": _plain_number(scale * rank),
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": base.model_type in CONV1D,
        "inference_mode": True,
        "target_modules": _target_modules(found, names, target),
    }
    if patterns := _patterns(found, rank, scale):
        config["rank_pattern"] = {key: its_rank for key, (its_rank, _) in patterns.items()}
        config["alpha_pattern"] = {key: _plain_number(r * s) for key, (r, s) in patterns.items()}
    if stacked:
        config["target_parameters"] = sorted({str(entry.parameter) for entry in stacked})
    return config


def _patterns(found: list[Entry], rank: int, scale: float) -> dict[str, tuple[int, float]]:
    """Rank and scale of the modules that differ from most, by the last part of their paths.

    By the whole path where modules of one name differ.
    """
    by_name: defaultdict[str, set[tuple[int, float]]] = defaultdict(set)
    for entry in found:
        by_name[entry.name].add((entry.rank, entry.scale))
    return {
        (entry.name if len(by_name[entry.name]) == 1 else entry.key): (entry.rank, entry.scale)
        for entry in found
        if (entry.rank, entry.scale) != (rank, scale)
    }


def _target_modules(found: Iterable[Entry], names: TensorNames, target: Target) -> list[str]:
    """The last parts of the paths; whole paths where the base model has other layers of a name."""
    by_name: defaultdict[str, list[str]] = defaultdict(list)
    for entry in found:
        if entry.parameter is None:
            by_name[entry.name].append(entry.key)
    modules: list[str] = []
    for name, keys in by_name.items():
        same = {canonical(path) for path in names.modules(name)}
        alone = same <= {canonical(key) for key in keys}
        modules += [name] if alone or target == "sglang" else keys
    return sorted(modules)


def _plain_number(value: float) -> float | int:
    if not np.isfinite(value):
        raise CheckpointError(f"the adapter's scale is {value}")
    rounded = round(value, 6)
    return int(rounded) if rounded == int(rounded) else rounded
