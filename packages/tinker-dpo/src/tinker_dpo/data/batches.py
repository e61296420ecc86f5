"""Batches of rendered preferences, in a seeded order that can be taken up anywhere."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from tinker_core import DataError
from tinker_data import Batching, Position
from tinker_data.batches.indexed import epoch_order
from tinker_dpo.data.items import Items
from tinker_dpo.data.rendering import RenderedItem


@frozen(kw_only=True, eq=False)
class ItemBatch:
    """The preferences of one optimizer step, whole."""

    items: tuple[RenderedItem, ...]
    position: Position
    after: Position
    """Where the data goes on after this batch."""


def steps_per_epoch(items: Items, batching: Batching) -> int:
    """Batches in an epoch; raises DataError where the preferences do not fill one."""
    if len(items) < batching.batch_size:
        raise DataError(
            f"{len(items)} preferences are fewer than one batch: "
            f"batch_size is {batching.batch_size}"
        )
    whole, rest = divmod(len(items), batching.batch_size)
    return whole + (rest > 0 and not batching.drop_last)


def iterate_batches(
    items: Items, batching: Batching, *, seed: int, start: Position
) -> Iterator[ItemBatch]:
    """Batches from `start` on, without end: a function of items, seed and position alone."""
    per_epoch = steps_per_epoch(items, batching)
    position = start
    while True:
        order = epoch_order(len(items), batching, seed, position.epoch)
        for batch in range(position.batch, per_epoch):
            chosen = order[batch * batching.batch_size : (batch + 1) * batching.batch_size]
            is_last = batch + 1 == per_epoch
            after = (
                Position(epoch=position.epoch + 1)
                if is_last
                else Position(epoch=position.epoch, batch=batch + 1)
            )
            yield ItemBatch(
                items=tuple(items[int(index)] for index in chosen),
                position=Position(epoch=position.epoch, batch=batch),
                after=after,
            )
        position = Position(epoch=position.epoch + 1)
