"""Batches of rendered preferences in a seeded order, from any position on."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from tinker_data import BatchOrder, Position
from tinker_dpo.data.dataset import PreferenceDataset
from tinker_dpo.data.rendering import RenderedPreference


@frozen(kw_only=True, eq=False)
class PreferenceBatch:
    """The preferences of one optimizer step."""

    items: tuple[RenderedPreference, ...]
    position: Position
    after: Position
    """Position of the next batch."""


def iterate_batches(
    dataset: PreferenceDataset, order: BatchOrder, start: Position
) -> Iterator[PreferenceBatch]:
    """Batches from `start` on, without end."""
    for position in order.positions(start):
        yield PreferenceBatch(
            items=tuple(dataset[index] for index in order.rows(position)),
            position=position,
            after=order.after(position),
        )
