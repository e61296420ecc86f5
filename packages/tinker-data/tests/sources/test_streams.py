"""Sources that are read from front to back."""

import gzip
import json

import pyarrow as pa
import pytest
import zstandard
from datasets import Dataset
from pyarrow import parquet

from tinker_core import DataError
from tinker_data import IterableStream, JsonlStream, ParquetStream, open_file

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
