"""Batches of rows with random access, in a seeded order that differs by epoch.

A row that is dropped moves no other row into another batch; see `order`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from attrs import Factory, field, frozen

from tinker_data.batches.batch import START, Batch, Batching, Position, assemble, without_empty
from tinker_data.batches.order import BatchOrder
from tinker_data.datums import RenderedRow
from tinker_data.rows import Rows

T = TypeVar("T")


@frozen(kw_only=True, eq=False)
class BatchedRows(Generic[T]):
    """Batches of rows with random access, rendered when they are needed."""

    rows: Rows[T]
    render: Callable[[T], RenderedRow]
    batching: Batching = field(factory=Batching)
    seed: int = 0
    name: str = "data"
    """The name of the data in error messages."""
    order: BatchOrder = field(
        init=False,
        default=Factory(
            lambda self: BatchOrder(
                num_rows=len(self.rows), batching=self.batching, seed=self.seed, name=self.name
            ),
            takes_self=True,
        ),
    )

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return self.order.steps_per_epoch

    def batches(self, start: Position = START) -> Iterator[Batch]:
        """Batches from `start` on, without end; those without a datum are passed over."""
        return without_empty(map(self.make, self.plans(start)), self.name)

    def plans(self, start: Position = START) -> Iterator[Position]:
        """The positions of the batches from `start` on, without end."""
        return self.order.positions(start)

    def make(self, position: Position) -> Batch:
        """The batch at a position."""
        rendered = [self.render(self.rows[index]) for index in self.order.rows(position)]
        return assemble(rendered, position, self.order.after(position))
