"""The keys and matrices of an adapter file, for each of those who load it.

PEFT names modules as transformers does in memory. vLLM and SGLang map the names of the files of the
base model, so their keys are made from these. Experts of a mixture are stacked for PEFT (its
`target_parameters`) and for the architectures that vLLM loads in that form; for all others each
expert has keys of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from attrs import field, frozen

from tinker_core import CheckpointError
from tinker_weights.adapter.lora_pair import LoraPair
from tinker_weights.base_model.outline import ModelOutline
from tinker_weights.base_model.tensor_names import (
    ALTERNATING,
    FUSED_PARTS,
    TensorNames,
    is_unembedding,
    without_wrappers,
)
from tinker_weights.export.serving import VLLM_FUSED_EXPERTS, Target
from tinker_weights.tensor_file.dtypes import Array


@frozen(kw_only=True, eq=False)
class Entry:
    """One module of an adapter file."""

    key: str
    """Its path there, without `base_model.model.`."""
    a: Array = field(repr=False)
    b: Array = field(repr=False)
    scale: float
    rank: int
    """Of one matrix: stacked experts have this many rows of A each."""
    is_embedding: bool = False
    parameter: str | None = None
    """The parameter of stacked experts that it belongs to, as PEFT's config names it."""

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.key.rpartition(".")[-1]


def entries(
    pairs: Iterable[LoraPair], base: ModelOutline, names: TensorNames, target: Target
) -> list[Entry]:
    """The modules of the file. Raises CheckpointError for experts in a layout that is not known."""
    plain = {pair.module: pair for pair in pairs if pair.expert is None}
    found = list(_linear(plain, base, names, target))
    experts: defaultdict[str, list[LoraPair]] = defaultdict(list)
    for pair in pairs:
        if pair.expert is not None:
            experts[pair.module].append(pair)
    stacked = target == "peft" or (target == "vllm" and base.architecture in VLLM_FUSED_EXPERTS)
    alternating = base.model_type in ALTERNATING
    for module, its in experts.items():
        if stacked:
            found += _stacked(module, its, alternating=alternating)
        else:
            found += _one_by_one(its, names, alternating=alternating)
    return found


def _linear(
    plain: Mapping[str, LoraPair], base: ModelOutline, names: TensorNames, target: Target
) -> Iterator[Entry]:
    parts: defaultdict[str, dict[str, LoraPair]] = defaultdict(dict)
    for pair in plain.values():
        tensor = names.find(f"{pair.module}.weight")
        whole = None if tensor else _fused_tensor(pair.module, names)
        if whole is not None:
            parts[whole][pair.module.rpartition(".")[-1]] = pair
            continue
        key = _key(pair, tensor, base, target)
        yield Entry(
            key=key, a=pair.a, b=pair.b, scale=pair.scale, rank=len(pair.a),
            is_embedding=pair.is_embedding,
        )  # fmt: skip
    for tensor, its in parts.items():
        yield _fuse(tensor, its)


def _key(pair: LoraPair, tensor: str | None, base: ModelOutline, target: Target) -> str:
    stored = tensor.removesuffix(".weight") if tensor else None
    if target != "peft":
        return stored or ("lm_head" if is_unembedding(pair.module) else pair.module)
    if is_unembedding(pair.module):
        return "lm_head"
    inner = without_wrappers(pair.module)
    if base.architecture.endswith("ForConditionalGeneration") and inner.startswith("layers."):
        return f"model.language_model.{inner}"  # whatever the files and the engine call it
    return pair.module


def _fused_tensor(module: str, names: TensorNames) -> str | None:
    parent, _, name = module.rpartition(".")
    wholes = [whole for whole, parts in FUSED_PARTS.items() if name in parts]
    return names.first(*(f"{parent}.{whole}.weight" for whole in wholes))


def _fuse(tensor: str, its: Mapping[str, LoraPair]) -> Entry:
    """One module from those that are rows of one tensor: A stacked, B block-diagonal."""
    name = tensor.removesuffix(".weight").rpartition(".")[-1]
    missing = [part for part in FUSED_PARTS[name] if part not in its]
    if missing or name == "in_proj":
        raise CheckpointError(
            f"{tensor} is one tensor in the base model, and the adapter changes only "
            f"{', '.join(its)} of it: merge it instead (`tinker-weights merge`)"
        )
    return _block_diagonal(
        tensor.removesuffix(".weight"), [its[part] for part in FUSED_PARTS[name]]
    )


def _block_diagonal(key: str, pairs: list[LoraPair]) -> Entry:
    a = np.concatenate([pair.a * (pair.scale / pairs[0].scale) for pair in pairs])
    b = np.zeros((sum(pair.outputs for pair in pairs), len(a)), np.float32)
    row = column = 0
    for pair in pairs:
        b[row : row + pair.outputs, column : column + len(pair.a)] = pair.b
        row, column = row + pair.outputs, column + len(pair.a)
    return Entry(key=key, a=a, b=b, scale=pairs[0].scale, rank=len(a))


def _stacked(module: str, pairs: list[LoraPair], *, alternating: bool) -> Iterator[Entry]:
    """PEFT's layout: A is (experts * rank, inputs), B is (outputs, rank * experts).

    Both parameters get one rank: PEFT and vLLM do not find the ranks of parameters in patterns.
    """
    projections: defaultdict[str, dict[int, LoraPair]] = defaultdict(dict)
    for pair in pairs:
        projections[str(pair.projection)][pair.expert or 0] = pair
    parameters = {
        name: _each_expert(name, projections, module, alternating=alternating)
        for name in ("gate_up_proj", "down_proj")
        if _has(name, projections)
    }
    rank = max(each[0].rank for each in parameters.values())
    scale = next(iter(parameters.values()))[0].scale
    parent = ".".join(module.split(".")[-2:])
    for name, each in parameters.items():
        same = [_padded(entry, rank, scale) for entry in each]
        inner = name == "gate_up_proj" and len(parameters) == 2
        yield Entry(
            key=f"{module}.base_layer" if inner else module,
            a=np.concatenate([entry.a for entry in same]),
            b=np.stack([entry.b for entry in same], axis=-1).reshape(len(same[0].b), -1),
            scale=scale,
            rank=rank,
            parameter=f"{parent}.{name}",
        )


def _padded(entry: Entry, rank: int, scale: float) -> Entry:
    """The same update with more rows of A and columns of B, which are zero."""
    more = rank - entry.rank
    a = np.pad(entry.a * (entry.scale / scale), ((0, more), (0, 0)))
    return Entry(key=entry.key, a=a, b=np.pad(entry.b, ((0, 0), (0, more))), scale=scale, rank=rank)


def _has(name: str, projections: Mapping[str, object]) -> bool:
    return (
        bool({"gate", "up", "gate_up"} & projections.keys())
        if "gate" in name
        else ("down" in projections)
    )


def _each_expert(
    name: str,
    projections: Mapping[str, Mapping[int, LoraPair]],
    module: str,
    *,
    alternating: bool,
) -> list[Entry]:
    if name == "down_proj" or "gate_up" in projections:
        pairs = projections["down" if name == "down_proj" else "gate_up"]
        found = [
            Entry(key=module, a=pair.a, b=pair.b, scale=pair.scale, rank=len(pair.a))
            for _, pair in sorted(pairs.items())
        ]
    else:
        gate, up = projections.get("gate", {}), projections.get("up", {})
        if gate.keys() != up.keys():
            raise CheckpointError(
                f"{module}: the adapter changes gate without up, or up without gate"
            )
        found = [_block_diagonal(module, [gate[n], up[n]]) for n in sorted(gate)]
        if alternating:
            found = [_in_turns(entry) for entry in found]
    if len({(entry.rank, entry.scale) for entry in found}) > 1:
        raise CheckpointError(f"{module}: the experts have different ranks or scales")
    return found


def _in_turns(entry: Entry) -> Entry:
    gate, up = np.split(entry.b, 2)
    b = np.stack([gate, up], axis=1).reshape(entry.b.shape)
    return Entry(key=entry.key, a=entry.a, b=b, scale=entry.scale, rank=entry.rank)


def _one_by_one(pairs: list[LoraPair], names: TensorNames, *, alternating: bool) -> Iterator[Entry]:
    for pair in pairs:
        for projection, b in _single(pair, alternating=alternating):
            tensor = names.find(f"{pair.module}.{pair.expert}.{projection}_proj.weight")
            if tensor is None:
                raise CheckpointError(
                    f"{pair.module}: the base model keeps its experts in one tensor, and the "
                    "server loads no adapter of that form for it: merge it instead "
                    "(`tinker-weights merge`)"
                )
            key = tensor.removesuffix(".weight")
            yield Entry(key=key, a=pair.a, b=b, scale=pair.scale, rank=len(pair.a))


def _single(pair: LoraPair, *, alternating: bool) -> Iterator[tuple[str, Array]]:
    if pair.projection != "gate_up":
        yield str(pair.projection), pair.b
    elif alternating:
        yield from (("gate", pair.b[0::2]), ("up", pair.b[1::2]))
    else:
        middle = pair.outputs // 2
        yield from (("gate", pair.b[:middle]), ("up", pair.b[middle:]))
