"""Data sets of groups, and the interface of the builders that make them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar, overload, runtime_checkable

import numpy as np
import tinker
from attrs import field, frozen
from numpy.typing import NDArray

from tinker_core import DataError, Fingerprint
from tinker_render import Renderer
from tinker_rl.envs.env import EnvGroupBuilder

T = TypeVar("T")
Groups = Sequence[EnvGroupBuilder]


class RLDataset(Protocol):
    """Batches of groups, in their order."""

    def __len__(self) -> int:
        """The number of batches."""
        ...

    def get_batch(self, index: int) -> Groups:
        """The groups of one batch. The same index always gives the same groups."""
        ...


@frozen(kw_only=True)
class RLData:
    """The data sets of a run."""

    train: RLDataset
    test: RLDataset | None = None
    fingerprints: tuple[Fingerprint, ...] = ()
    """Fingerprints of the files, by which a resumed run notices changes."""


class RLDatasetBuilder(Protocol):
    """A frozen config that makes the data sets."""

    def build(self, *, renderer: Renderer, seed: int) -> RLData:
        """The same data for the same seed. Raises DataError for an unusable row."""
        ...


@runtime_checkable
class ModelRLDatasetBuilder(Protocol):
    """A builder whose environments use models: an opponent, a judge, a reward model.

    With a `build` as well, a person can play its environments.
    """

    async def build_on(
        self, service: tinker.ServiceClient, *, renderer: Renderer, seed: int
    ) -> RLData:
        """Build the data sets, with models on the engine of `service`. Raises DataError."""
        ...


@frozen(eq=False)
class RowGroups(Sequence[EnvGroupBuilder], Generic[T]):
    """One group for each of some rows. A group is made when it is asked for."""

    row: Callable[[int], T]
    """The row of an index."""
    order: NDArray[np.int64]
    """Indices of the rows in the order of the groups, shape (groups,)."""
    make: Callable[[T], EnvGroupBuilder]

    def __len__(self) -> int:
        return len(self.order)

    @overload
    def __getitem__(self, index: int) -> EnvGroupBuilder: ...
    @overload
    def __getitem__(self, index: slice) -> Groups: ...
    def __getitem__(self, index: int | slice) -> EnvGroupBuilder | Groups:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self.make(self.row(int(self.order[index])))

    def __iter__(self) -> Iterator[EnvGroupBuilder]:
        return (self[i] for i in range(len(self)))


def _groups(groups: Iterable[EnvGroupBuilder]) -> Groups:
    return groups if isinstance(groups, Sequence) else tuple(groups)


@frozen
class GroupBatches:
    """An `RLDataset` of groups in a fixed order. Its last batch may be smaller."""

    groups: Groups = field(converter=_groups)
    groups_per_batch: int

    def __attrs_post_init__(self) -> None:
        if self.groups_per_batch < 1:
            raise DataError(f"groups_per_batch must be at least 1, not {self.groups_per_batch}")

    def __len__(self) -> int:
        return -(-len(self.groups) // self.groups_per_batch)

    def get_batch(self, index: int) -> Groups:
        """The groups of one batch. Raises IndexError after the last."""
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        return self.groups[index * self.groups_per_batch : (index + 1) * self.groups_per_batch]
