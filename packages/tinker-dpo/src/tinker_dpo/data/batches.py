"""Batches of rendered preferences in a seeded order, from any position on."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from tinker_core import DataError
from tinker_data import Batching, Position
from tinker_data.batches.indexed import epoch_order
from tinker_dpo.data.dataset import PreferenceDataset
from tinker_dpo.data.rendering import RenderedPreference


@frozen(kw_only=True, eq=False)
class PreferenceBatch:
    """The preferences of one optimizer step."""

    items: tuple[RenderedPreference, ...]
    position: Position
    after: Position
    """Position of the next batch."""


def steps_per_epoch(dataset: PreferenceDataset, batching: Batching) -> int:
    """Batches in an epoch; raises DataError if the preferences do not fill one."""
    if len(dataset) < batching.batch_size:
        raise DataError(
            f"{len(dataset)} preferences are fewer than one batch: "
            f"batch_size is {batching.batch_size}"
        )
    whole, rest = divmod(len(dataset), batching.batch_size)
    return whole + (rest > 0 and not batching.drop_last)


def iterate_batches(
    dataset: PreferenceDataset, batching: Batching, *, seed: int, start: Position
) -> Iterator[PreferenceBatch]:
    """Batches from `start` on, without end: a function of dataset, seed and position alone."""
    per_epoch = steps_per_epoch(dataset, batching)
    position = start
    while True:
        order = epoch_order(len(dataset), batching, seed, position.epoch)
        for batch in range(position.batch, per_epoch):
            chosen = order[batch * batching.batch_size : (batch + 1) * batching.batch_size]
            is_last = batch + 1 == per_epoch
            after = (
                Position(epoch=position.epoch + 1)
                if is_last
                else Position(epoch=position.epoch, batch=batch + 1)
            )
            yield PreferenceBatch(
                items=tuple(dataset[int(index)] for index in chosen),
                position=Position(epoch=position.epoch, batch=batch),
                after=after,
            )
        position = Position(epoch=position.epoch + 1)
