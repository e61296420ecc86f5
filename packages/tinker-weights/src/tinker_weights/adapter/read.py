"""Reading an adapter in any of the layouts that engines and PEFT write.

<module>.lora_A.weight                    a linear layer
<module>.lora_embedding_A                 an embedding
<experts>.<n>.<projection>.lora_A.weight  one projection of one expert
<experts>.<projection>.lora_A.weight      all experts, 3-D; an axis of size 1 is shared by all
                                          (the hosted service, with w1, w3 and w2)
<experts>[.base_layer].lora_A.weight      all experts, stacked in two axes
                                          (PEFT's target_parameters)
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from attrs import field, frozen

from tinker_core import CheckpointError, ConfigError, DataError
from tinker_weights.adapter.config import CONFIG, TENSORS, AdapterConfig, read_adapter_config
from tinker_weights.adapter.lora_pair import LoraPair, Projection
from tinker_weights.tensor_file.dtypes import Array
from tinker_weights.tensor_file.reader import load_file

_KEY = re.compile(r"(?:base_model\.model\.)?(?P<module>.+)\.lora_(?P<side>embedding_[AB]|[AB])")
_BASE_WEIGHT = re.compile(r"(?:base_model\.model\.)?(?P<module>.+)\.base_layer\.weight")
_EXPERT = re.compile(r"(?P<experts>.+\.experts)\.(?P<expert>\d+)\.(?P<projection>\w+)")
_ALL_EXPERTS = re.compile(r"(?P<experts>.+\.experts)\.(?P<projection>\w+)")
_PROJECTIONS: dict[str, Projection] = {
    **{"w1": "gate", "gate_proj": "gate", "w3": "up", "up_proj": "up"},
    **{"w2": "down", "down_proj": "down", "gate_up_proj": "gate_up"},
}


@frozen(kw_only=True)
class Adapter:
    """A LoRA adapter in memory."""

    folder: Path
    config: AdapterConfig
    pairs: tuple[LoraPair, ...] = field(repr=False)
    base_weights: Mapping[str, Array] = field(factory=dict, repr=False)
    """Copies of base weights by module, which PEFT saves beside an adapter on the unembedding."""

    def base_name(self, given: str | None) -> str:
        """The base model's name: what the user gave, else what the adapter says.

        Raises ConfigError where neither names one.
        """
        name = given or self.config.base_model
        if name is None:
            raise ConfigError(f"{self.folder / CONFIG} names no base model: name it with --base")
        return name

    @property
    def modules(self) -> tuple[str, ...]:
        """The paths of the modules that it changes, in order, each once."""
        return tuple(dict.fromkeys(pair.module for pair in self.pairs))


def read_adapter(folder: Path) -> Adapter:
    """Read a folder with adapter_config.json and adapter_model.safetensors.

    Raises CheckpointError where it cannot be used.
    """
    config = read_adapter_config(folder)
    file = folder / TENSORS
    if not file.is_file():
        encrypted = any(folder.glob("*.age"))
        reason = "it is encrypted: decrypt it with age first" if encrypted else "it is not there"
        raise CheckpointError(f"{folder} has no {TENSORS}: {reason}")
    try:
        tensors = load_file(file)
    except DataError as error:
        raise CheckpointError(str(error)) from error
    copies, matrices = {}, {}
    for name, tensor in tensors.items():
        if copy := _BASE_WEIGHT.fullmatch(name):
            copies[copy["module"]] = tensor
        else:
            matrices[name] = tensor
    pairs = tuple(_pairs(matrices, config, file))
    if not pairs:
        raise CheckpointError(f"{file} holds no LoRA matrices")
    return Adapter(folder=folder, config=config, pairs=pairs, base_weights=copies)


def _pairs(tensors: Mapping[str, Array], config: AdapterConfig, file: Path) -> Iterator[LoraPair]:
    sides: defaultdict[str, dict[str, Array]] = defaultdict(dict)
    for name, tensor in tensors.items():
        found = _KEY.fullmatch(name.removesuffix(".weight").removesuffix(".default"))
        if found is None:
            raise CheckpointError(f"{file}: {name} is not a LoRA matrix")
        sides[found["module"]][found["side"]] = tensor.astype(np.float32)
        if not np.isfinite(sides[found["module"]][found["side"]]).all():
            raise CheckpointError(f"{file}: {name} has values that are not finite")
    for module, matrices in sides.items():
        is_embedding = "embedding_A" in matrices or "embedding_B" in matrices
        prefix = "embedding_" if is_embedding else ""
        if matrices.keys() != {f"{prefix}A", f"{prefix}B"}:
            raise CheckpointError(f"{file}: {module} has {', '.join(matrices)}, expected A and B")
        a, b = matrices[f"{prefix}A"], matrices[f"{prefix}B"]
        if a.size == 0 and b.size == 0:
            continue  # the hosted service writes empty matrices for projections that a model lacks
        try:
            yield from _of_module(module, a, b, config, is_embedding)
        except ValueError as error:
            raise CheckpointError(f"{file}: {module}: {error}") from error


def _of_module(
    module: str, a: Array, b: Array, config: AdapterConfig, is_embedding: bool
) -> Iterator[LoraPair]:
    """The pairs of one key. Raises ValueError when shapes do not fit."""
    one, every = _EXPERT.fullmatch(module), _ALL_EXPERTS.fullmatch(module)
    if one and one["projection"] in _PROJECTIONS:
        projection, expert = _PROJECTIONS[one["projection"]], int(one["expert"])
        place = {"module": one["experts"], "expert": expert, "projection": projection}
        yield _pair(a, b, config, module, **place)
    elif every and every["projection"] in _PROJECTIONS and a.ndim == 3:
        yield from _of_experts(every["experts"], every["projection"], *_broadcast(a, b), config)
    elif module.endswith((".experts", ".experts.base_layer")):
        experts = module.removesuffix(".base_layer")
        name = _target_parameter(config, inner=experts != module)
        rank = config.rank_of(f"{experts}.{name}")
        yield from _of_experts(experts, name, *_unstacked(a, b, rank), config)
    else:
        yield _pair(a, b, config, module, module=module, is_embedding=is_embedding)


def _pair(a: Array, b: Array, config: AdapterConfig, path: str, **place: Any) -> LoraPair:
    """`path` is what the config's patterns are matched against."""
    rank = config.rank_of(path)
    if a.ndim != 2 or b.ndim != 2 or a.shape[0] != rank or b.shape[1] != rank:
        raise ValueError(f"A has shape {a.shape} and B {b.shape}, which do not fit rank {rank}")
    return LoraPair(a=a, b=b, scale=config.scale_of(path), **place)


def _of_experts(
    experts: str, name: str, every_a: Array, every_b: Array, config: AdapterConfig
) -> Iterator[LoraPair]:
    """A is (experts, rank, inputs), B is (experts, outputs, rank)."""
    if name not in _PROJECTIONS:
        raise ValueError(f"the parameter {name!r} of experts is not supported")
    for expert, (a, b) in enumerate(zip(every_a, every_b, strict=True)):
        place = {"module": experts, "expert": expert, "projection": _PROJECTIONS[name]}
        yield _pair(a, b, config, f"{experts}.{name}", **place)


def _broadcast(a: Array, b: Array) -> tuple[Array, Array]:
    """An axis of size 1 is one matrix that all experts share."""
    count = max(len(a), len(b))
    if b.ndim != 3 or {len(a), len(b)} - {1, count}:
        raise ValueError(f"A has shape {a.shape} and B {b.shape}, expected as many experts in both")
    return (
        np.broadcast_to(a, (count, *a.shape[1:])),
        np.broadcast_to(b, (count, *b.shape[1:])),
    )


def _unstacked(a: Array, b: Array, rank: int) -> tuple[Array, Array]:
    """From A (experts * rank, inputs) and B (outputs, rank * experts)."""
    if a.ndim != 2 or b.ndim != 2 or a.shape[0] % rank or a.shape[0] != b.shape[1]:
        raise ValueError(f"A has shape {a.shape} and B {b.shape}, which do not fit rank {rank}")
    return a.reshape(-1, rank, a.shape[1]), b.reshape(len(b), rank, -1).transpose(2, 0, 1)


def _target_parameter(config: AdapterConfig, *, inner: bool) -> str:
    """PEFT wraps the experts once for each parameter: first `gate_up_proj`, then `down_proj`."""
    names = {name.rpartition(".")[-1] for name in config.target_parameters if "expert" in name}
    if len(names) == 1:
        return names.pop()
    return "gate_up_proj" if inner else "down_proj"
