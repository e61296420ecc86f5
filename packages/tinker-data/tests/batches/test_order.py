"""The order of batches: which rows are in which batch."""

from itertools import islice

import pytest

from tinker_core import ConfigError, DataError
from tinker_data import Batching, BatchOrder, Position


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("drop_last", [True, False])
@pytest.mark.parametrize("num_rows", [4, 9, 12])
def test_an_epoch_has_each_row_once_except_those_of_a_dropped_batch(
    num_rows, drop_last, shuffle
) -> None:
    batching = Batching(batch_size=4, drop_last=drop_last, shuffle=shuffle)
    order = BatchOrder(num_rows=num_rows, batching=batching)
    epoch = list(islice(order.positions(), order.steps_per_epoch))
    rows = [row for position in epoch for row in order.rows(position)]
    assert {position.epoch for position in epoch} == {0}
    assert order.after(epoch[-1]) == Position(epoch=1)
    assert len(set(rows)) == len(rows) == (num_rows // 4 * 4 if drop_last else num_rows)
    assert (rows == sorted(rows)) != shuffle


def test_a_position_behind_the_end_of_its_epoch_is_refused() -> None:
    order = BatchOrder(num_rows=8, batching=Batching(batch_size=4))
    with pytest.raises(ConfigError, match="an epoch has 2 batches"):
        next(order.positions(Position(epoch=0, batch=2)))


def test_fewer_rows_than_a_batch_are_refused_by_name() -> None:
    with pytest.raises(DataError, match=r"pairs.jsonl: 3 rows .* batch_size is 4"):
        BatchOrder(num_rows=3, batching=Batching(batch_size=4), name="pairs.jsonl")
