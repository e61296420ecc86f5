"""The part of a tensor that each pair of an adapter updates."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

import numpy as np
from attrs import field, frozen

from tinker_core import ConfigError
from tinker_weights.adapter.lora_pair import LoraPair
from tinker_weights.adapter.read import Adapter
from tinker_weights.base_model.model import BaseModel
from tinker_weights.base_model.tensor_names import CONV1D, TensorNames, is_unembedding
from tinker_weights.merge.experts import expert_updates
from tinker_weights.merge.fused import fused_updates
from tinker_weights.merge.update import Update
from tinker_weights.tensor_file.dtypes import Array
from tinker_weights.tensor_file.reader import read_array


@frozen(kw_only=True)
class Placement:
    """The updates of a merge."""

    updates: Mapping[str, tuple[Update, ...]] = field(repr=False)
    """By the name of the tensor."""
    unembedding: str | None = None
    """The tensor that becomes the unembedding of a model that had tied it to `embedding`."""
    embedding: str | None = None

    @property
    def unties(self) -> bool:
        return self.unembedding is not None


def place(adapter: Adapter, base: BaseModel) -> Placement:
    """Find the place of every pair of the adapter.

    Raises ConfigError, which names the module, for one that the base model has no place for.
    """
    placer = _Placer(base, {pair.module: pair for pair in adapter.pairs if pair.expert is None})
    for module, weight in adapter.base_weights.items():
        placer.check_copy(module, weight)
    updates: defaultdict[str, list[Update]] = defaultdict(list)
    for pair in adapter.pairs:
        for tensor, update in placer.place(pair):
            updates[tensor].append(update)
    untied = placer.untied(updates)
    return Placement(
        updates={name: tuple(found) for name, found in updates.items()},
        unembedding=untied,
        embedding=placer.names.embedding() if untied else None,
    )


class _Placer:
    def __init__(self, base: BaseModel, plain: Mapping[str, LoraPair]) -> None:
        self.base = base
        self.plain = plain
        """The pairs of linear layers, by module."""
        self.names = TensorNames(base.tensors)
        self.unembedding = self.names.find("lm_head.weight")

    def place(self, pair: LoraPair) -> Iterator[tuple[str, Update]]:
        if pair.expert is not None:
            yield from expert_updates(pair, self.base, self.names)
            return
        tensor = self.names.find(f"{pair.module}.weight")
        if tensor is None and pair.is_embedding:
            tensor = self.names.embedding()
        if tensor is None and is_unembedding(pair.module):
            tensor = self._tied_name()
        if tensor is None:
            placed = fused_updates(pair, self.plain, self.base, self.names)
            if placed is None:
                raise ConfigError(
                    f"the adapter changes {pair.module}, and {self.base.folder} "
                    f"({self.base.architecture}) has no such weight: is it the base model?"
                )
            yield from placed
            return
        yield tensor, self._whole(pair, tensor)

    def _whole(self, pair: LoraPair, tensor: str) -> Update:
        """The update of all of a tensor; ConfigError where the shapes differ."""
        shape = self.base.tensors[self._source(tensor)].shape
        straight, swapped = (pair.outputs, pair.inputs), (pair.inputs, pair.outputs)
        transposed = pair.is_embedding or (
            self.base.model_type in CONV1D and not is_unembedding(pair.module)
        )
        if shape != (swapped if transposed else straight):
            raise ConfigError(
                f"{tensor} has shape {shape}, and the adapter's update of {pair.module} is "
                f"{straight}: {self.base.folder} is not the model that it was trained on"
            )
        return Update(a=pair.a, b=pair.b, scale=pair.scale, transposed=transposed)

    def check_copy(self, module: str, weight: Array) -> None:
        """Raise ConfigError where the adapter carries another base weight than the base model."""
        tensor = self.names.find(f"{module}.weight")
        if tensor is None and is_unembedding(module):
            tensor = self.names.embedding()
        own = None if tensor is None else read_array(self.base.tensors[tensor])
        if own is None or own.shape != weight.shape or not np.array_equal(own, weight):
            raise ConfigError(
                f"the adapter carries a weight of {module} that is not the one in "
                f"{self.base.folder}: is it the base model, with the same vocabulary?"
            )

    def _source(self, tensor: str) -> str:
        """The tensor with the base values: for a tied unembedding, the embedding."""
        if tensor in self.base.tensors:
            return tensor
        embedding = self.names.embedding()
        if embedding is None:
            raise ConfigError(
                f"{self.base.folder} has neither {tensor} nor an embedding that could be tied to it"
            )
        return embedding

    def _tied_name(self) -> str:
        """The name that an unembedding gets beside the names of the model's other tensors."""
        nested = any(name.startswith("language_model.model.") for name in self.base.tensors)
        return "language_model.lm_head.weight" if nested else "lm_head.weight"

    def untied(self, updates: Mapping[str, object]) -> str | None:
        """The name of the unembedding that has to be written because it is tied no longer."""
        if self.unembedding is not None:
            return None
        name, embedding = self._tied_name(), self.names.embedding()
        return name if name in updates or embedding in updates else None
