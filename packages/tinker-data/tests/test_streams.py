"""Sources that are read from front to back."""

import gzip
import json
from itertools import islice

import pyarrow as pa
import pytest
import tinker
import zstandard
from datasets import Dataset
from pyarrow import parquet

from tinker_core import DataError
from tinker_data import (
    Batching,
    IterableStream,
    JsonlStream,
    ParquetStream,
    Position,
    RenderedRow,
    StreamedRows,
    open_file,
)

ROWS = [{"i": i} for i in range(10)]
TEXT = "".join(json.dumps(row) + "\n" for row in ROWS)


def write(path):
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(TEXT.encode()))
    elif path.suffix == ".zst":
        half = len(TEXT) // 2  # in two frames, as tools that use many cores write it
        frames = [zstandard.compress(part.encode()) for part in (TEXT[:half], TEXT[half:])]
        path.write_bytes(b"".join(frames))
    elif path.suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=3)
    else:
        path.write_text(TEXT)
    return path


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst", "a.parquet"])
def test_compressed_files_and_tables_are_read_from_any_row_on(tmp_path, name):
    stream = open_file(write(tmp_path / name))
    for start in range(11):
        rows = list(stream.read(start))
        assert [row.value["i"] for row in rows] == list(range(start, 10))
        assert [row.place.row for row in rows] == list(range(start + 1, 11))


def test_a_dataset_that_streams_is_told_to_skip():
    stream = IterableStream(Dataset.from_list(ROWS).to_iterable_dataset(), "numbers")
    assert [row.value["i"] for row in stream.read(7)] == [7, 8, 9]
    assert next(stream.read(7)).place.row == 8


def test_columns_that_a_row_does_not_have_are_not_there():
    # a table gives {"tool_calls": None} to every row if one has tool calls
    stream = IterableStream([{"a": 1, "b": None, "c": [{"d": None, "e": 2}]}])
    assert next(stream.read()).value == {"a": 1, "c": [{"e": 2}]}


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst", "a.parquet"])
def test_a_damaged_file_is_an_error_that_names_it(tmp_path, name):
    path = write(tmp_path / name)
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(DataError, match=rf"{name}.*cannot be read"):
        list(open_file(path).read())
    path.write_bytes(b"nonsense")
    with pytest.raises(DataError, match=rf"{name}.*cannot be read"):
        list(open_file(path).read())


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


def test_blank_lines_are_no_rows_but_count_as_lines(tmp_path):
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"i": 0}\n\n{"i": 1}\n'))
    rows = list(JsonlStream(path).read())
    assert [(row.value["i"], row.place.row) for row in rows] == [(0, 1), (1, 3)]


def test_row_groups_before_the_start_are_not_read(tmp_path, monkeypatch):
    path = write(tmp_path / "a.parquet")
    read = []
    original = parquet.ParquetFile.read_row_group
    monkeypatch.setattr(
        parquet.ParquetFile,
        "read_row_group",
        lambda self, i: read.append(i) or original(self, i),
    )
    assert next(ParquetStream(path).read(7)).value == {"i": 7}
    assert read == [2]
