"""Batches of a stream, shuffled block by block."""

from itertools import islice

import pytest
import tinker

from tinker_core import DataError
from tinker_data import Batching, IterableStream, Position, RenderedRow, StreamedRows

ROWS = [{"i": i} for i in range(10)]


def render(row):
    datum = tinker.Datum(
        model_input=tinker.ModelInput.from_ints([row.value["i"]]), loss_fn_inputs={}
    )
    return RenderedRow(datums=(datum,))


def batches(n, start=None, *, block=4, first_row=0, seed=0, **batching):
    data = StreamedRows(
        stream=IterableStream(ROWS),
        render=render,
        batching=Batching(**batching),
        shuffle_block=block,
        first_row=first_row,
        seed=seed,
        name="numbers",
    )
    return list(islice(data.batches(start or Position()), n))


def numbers(batch):
    return [datum.model_input.to_ints()[0] for datum in batch.datums]


def flat(many):
    return [number for batch in many for number in numbers(batch)]


def test_a_stream_is_shuffled_block_by_block_and_otherwise_in_each_epoch():
    seen = batches(8, batch_size=3)  # 3 + 3 + 3 + 1 an epoch
    one, two = flat(seen[:4]), flat(seen[4:])
    assert sorted(one) == sorted(two) == list(range(10))
    assert one != two
    for epoch in (one, two):
        assert sorted(epoch[:4]) == [0, 1, 2, 3]
        assert sorted(epoch[4:8]) == [4, 5, 6, 7]


def test_blocks_of_one_epoch_have_orders_of_their_own():
    class Long:
        def read(self, start=0):
            return IterableStream([{"i": i} for i in range(64)]).read(start)

    data = StreamedRows(
        stream=Long(), render=render, batching=Batching(batch_size=32), shuffle_block=32
    )
    first, second = islice(data.batches(), 2)
    assert numbers(first) != [number - 32 for number in numbers(second)]


@pytest.mark.parametrize("block", [1, 3, 4, 100])
@pytest.mark.parametrize("size", [1, 3, 4])
def test_going_on_from_any_batch_gives_the_batches_that_come_after_it(block, size):
    whole = batches(14, batch_size=size, block=block)
    for done in range(13):
        rest = batches(13 - done, whole[done].after, batch_size=size, block=block)
        assert flat(rest) == flat(whole[done + 1 :])


def test_rows_before_the_first_are_never_trained_on():
    assert set(flat(batches(4, batch_size=3, first_row=4))) == set(range(4, 10))


def test_the_rest_of_an_epoch_can_be_dropped():
    seen = batches(4, batch_size=4, drop_last=True, shuffle=False)
    assert [numbers(batch) for batch in seen] == [[0, 1, 2, 3], [4, 5, 6, 7]] * 2


@pytest.mark.parametrize("first_row", [0, 10])
def test_a_stream_shorter_than_a_batch_is_an_error(first_row):
    with pytest.raises(DataError, match="numbers: fewer rows than one batch: batch_size is 11"):
        batches(1, batch_size=11, first_row=first_row)


def test_a_batch_of_which_nothing_is_left_is_passed_over():
    def some(row):
        return render(row) if row.value["i"] in (0, 9) else RenderedRow(num_dropped=1)

    data = StreamedRows(
        stream=IterableStream(ROWS),
        render=some,
        batching=Batching(batch_size=2, shuffle=False),
        name="numbers",
    )
    read = list(islice(data.batches(), 3))
    assert [numbers(batch) for batch in read] == [[0], [9], [0]]
    assert [batch.counts["num_dropped"] for batch in read] == [1, 7, 1]
