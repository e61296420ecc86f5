"""Data sets of groups, and the interface of what builds them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, runtime_checkable

import tinker
from attrs import field, frozen

from tinker_core import DataError
from tinker_render import Renderer
from tinker_rl.envs.env import EnvGroupBuilder


class RLDataset(Protocol):
    """Batches of groups, in their order."""

    def __len__(self) -> int:
        """How many batches there are."""
        ...

    def get_batch(self, index: int) -> Sequence[EnvGroupBuilder]:
        """The groups of one batch; the same each time it is asked for."""
        ...


def _builders(builders: Iterable[EnvGroupBuilder]) -> tuple[EnvGroupBuilder, ...]:
    return tuple(builders)


@frozen
class GroupBatches:
    """An `RLDataset` of groups in a fixed order; its last batch may be smaller."""

    groups: tuple[EnvGroupBuilder, ...] = field(converter=_builders)
    groups_per_batch: int

    def __attrs_post_init__(self) -> None:
        if self.groups_per_batch < 1:
            raise DataError(f"groups_per_batch must be at least 1, not {self.groups_per_batch}")

    def __len__(self) -> int:
        return -(-len(self.groups) // self.groups_per_batch)

    def get_batch(self, index: int) -> Sequence[EnvGroupBuilder]:
        """The groups of one batch; raises IndexError beyond the last."""
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        return self.groups[index * self.groups_per_batch : (index + 1) * self.groups_per_batch]


@frozen(kw_only=True)
class RLData:
    """What to train on, and to test on where there is something."""

    train: RLDataset
    test: RLDataset | None = None


class RLDatasetBuilder(Protocol):
    """A frozen config that makes the data sets."""

    def build(self, *, renderer: Renderer, seed: int) -> RLData:
        """The same data for the same seed; raises DataError for rows that cannot be used."""
        ...


@runtime_checkable
class ModelRLDatasetBuilder(Protocol):
    """One whose environments ask models: an older self to play against, a judge, a reward model.

    With a `build` as well, it can be played by a person too.
    """

    async def build_on(
        self, service: tinker.ServiceClient, *, renderer: Renderer, seed: int
    ) -> RLData:
        """As `RLDatasetBuilder.build`, with the engine that the models are on."""
        ...
