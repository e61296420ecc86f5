"""Batches: their order, their size, and how they are taken up again."""

from itertools import islice

import numpy as np
import pytest
import tinker

from tinker_core import DataError
from tinker_data import BatchedRows, Batching, Position, RenderedRow


def render(number):
    """A datum whose first token is the row's number; row 13 is dropped."""
    if number == 13:
        return RenderedRow(num_dropped=1)
    datum = tinker.Datum(model_input=tinker.ModelInput.from_ints([number]), loss_fn_inputs={})
    return RenderedRow(datums=(datum,))


def dataset(rows, seed=0, **batching):
    return BatchedRows(
        rows=rows, render=render, batching=Batching(**batching), seed=seed, name="numbers"
    )


def numbers(batch):
    return [datum.model_input.to_ints()[0] for datum in batch.datums]


def first(n, data, start=None):
    return list(islice(data.batches(start or Position()), n))


def test_every_row_comes_once_an_epoch_in_another_order_each_time():
    data = dataset(range(10), batch_size=5)
    seen = [numbers(batch) for batch in first(4, data)]
    one, two = seen[0] + seen[1], seen[2] + seen[3]
    assert sorted(one) == sorted(two) == list(range(10))
    assert one != two != list(range(10))


def test_the_seed_decides_the_order_and_nothing_else_does():
    same = [numbers(batch) for batch in first(5, dataset(range(40), seed=3, batch_size=8))]
    again = [numbers(batch) for batch in first(5, dataset(range(40), seed=3, batch_size=8))]
    other = [numbers(batch) for batch in first(5, dataset(range(40), seed=4, batch_size=8))]
    assert same == again != other


def test_without_shuffle_the_order_is_that_of_the_rows():
    data = dataset(range(4), batch_size=2, shuffle=False)
    assert [numbers(batch) for batch in first(3, data)] == [[0, 1], [2, 3], [0, 1]]


@pytest.mark.parametrize(("drop_last", "sizes"), [(False, [4, 4, 2, 4]), (True, [4, 4, 4, 4])])
def test_the_rest_of_an_epoch_is_a_smaller_batch_unless_it_is_to_be_dropped(drop_last, sizes):
    data = dataset(range(10), batch_size=4, drop_last=drop_last)
    assert [len(batch.datums) for batch in first(4, data)] == sizes
    assert data.steps_per_epoch == (2 if drop_last else 3)


def test_going_on_from_any_batch_gives_the_batches_that_come_after_it():
    data = dataset(range(10), batch_size=3)
    whole = first(9, data)
    for done in range(9):
        rest = first(8 - done, data, whole[done].after)
        assert [numbers(batch) for batch in rest] == [numbers(batch) for batch in whole[done + 1 :]]
        assert [batch.position for batch in rest] == [b.position for b in whole[done + 1 :]]


def test_a_dropped_row_is_counted_and_moves_no_other_row():
    with_it = first(4, dataset(range(16), batch_size=4))
    without = first(4, dataset([*range(13), 99, 14, 15], batch_size=4))
    for a, b in zip(with_it, without, strict=True):
        assert numbers(a) == [number for number in numbers(b) if number != 99]
        assert a.counts == ({"num_dropped": 1} if 99 in numbers(b) else {})


def test_a_batch_of_which_nothing_is_left_is_passed_over_and_its_rows_are_counted():
    data = dataset([1, 2, 13, 13, 13, 3, 4, 5], batch_size=2, shuffle=False)
    batches = first(4, data)
    assert [numbers(batch) for batch in batches] == [[1, 2], [3], [4, 5], [1, 2]]
    assert [batch.counts for batch in batches] == [{}, {"num_dropped": 3}, {}, {}]
    assert first(3, data, batches[0].after) == batches[1:]


def test_an_epoch_of_which_nothing_is_left_is_an_error():
    data = dataset([13] * 4, batch_size=2)
    with pytest.raises(DataError, match=r"numbers: no row of a whole epoch has a datum"):
        first(1, data)
    with pytest.raises(DataError, match=r"numbers: no row of a whole epoch has a datum"):
        first(1, data, Position(epoch=3, batch=1))
    few = dataset([13, 13, 13, 1], batch_size=1, shuffle=False)
    [batch] = first(1, few, Position(epoch=3))
    assert (batch.position, numbers(batch)) == (Position(epoch=3, batch=3), [1])


def test_fewer_rows_than_a_batch_are_an_error_that_says_both_numbers():
    with pytest.raises(DataError, match=r"numbers: 3 rows .* batch_size is 4"):
        dataset(range(3), batch_size=4)


def test_epochs_of_one_seed_are_not_those_of_the_next():
    # [seed, epoch] and not seed + epoch, or epoch 1 of seed 0 would be epoch 0 of seed 1
    one = numbers(first(2, dataset(range(50), seed=0, batch_size=50))[1])
    other = numbers(first(1, dataset(range(50), seed=1, batch_size=50))[0])
    assert not np.array_equal(one, other)
