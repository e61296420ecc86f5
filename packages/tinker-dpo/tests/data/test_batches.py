"""Batches in a seeded order."""

from itertools import islice

import pytest

from tinker_data import Batching, BatchOrder, Position
from tinker_dpo import Dpo, PreferenceFile, Selection, iterate_batches, open_dataset


@pytest.fixture
def items(write_rows, renderer):
    """Ten rendered pairs."""
    rows = [{"prompt": f"q{i}", "chosen": f"a{i}", "rejected": f"b{i}"} for i in range(10)]
    data = PreferenceFile(path=write_rows(rows)).build(seed=0)
    return open_dataset(data.train, Dpo(), renderer, Selection())


def keys(batch) -> list[str]:
    return [item.chosen.key for item in batch.items]


def test_an_epoch_has_every_pair_once_and_each_epoch_another_order(items) -> None:
    order = BatchOrder(num_rows=10, batching=Batching(batch_size=4), seed=1)
    batches = list(islice(iterate_batches(items, order, Position()), 6))
    first = [key for batch in batches[:3] for key in keys(batch)]
    second = [key for batch in batches[3:] for key in keys(batch)]
    assert sorted(first) == sorted(second) == sorted(items[i].chosen.key for i in range(10))
    assert first != second
    assert [len(batch.items) for batch in batches] == [4, 4, 2, 4, 4, 2]


def test_batches_go_on_from_any_position_as_if_read_from_the_start(items) -> None:
    order = BatchOrder(num_rows=10, batching=Batching(batch_size=4, drop_last=True), seed=1)
    whole = list(islice(iterate_batches(items, order, Position()), 6))
    for i, batch in enumerate(whole[:-1]):
        rest = iterate_batches(items, order, batch.after)
        assert keys(next(rest)) == keys(whole[i + 1])
