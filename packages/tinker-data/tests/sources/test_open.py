"""Files, hubs, lists and mixtures."""

import pytest
from datasets import Dataset

from tinker_core import ConfigError, DataError
from tinker_data import (
    IterableStream,
    JsonlRows,
    SequenceRows,
    as_source,
    open_file,
    open_hub,
)


def test_what_is_in_memory_is_had_by_number():
    for rows in ([{"i": 0}, {"i": 1}], Dataset.from_list([{"i": 0}, {"i": 1}])):
        source = as_source(rows, "numbers")
        assert isinstance(source, SequenceRows)
        assert (len(source), source[1].value, source[1].place.row) == (2, {"i": 1}, 2)


def test_what_can_be_iterated_again_is_a_stream_and_what_cannot_is_refused():
    assert isinstance(as_source({1, 2}), IterableStream)
    with pytest.raises(DataError, match="numbers: an iterator is used up"):
        as_source(iter([1, 2]), "numbers")


def test_a_file_is_opened_by_its_ending(write_rows, tmp_path):
    assert isinstance(open_file(write_rows([{"i": 0}])), JsonlRows)
    with pytest.raises(ConfigError, match=r"rows.csv: known endings: .jsonl"):
        open_file(write_rows(["i", "0"], "rows.csv"))
    with pytest.raises(DataError, match=r"none.jsonl: there is no such file"):
        open_file(tmp_path / "none.jsonl")


def test_a_folder_of_files_is_read_as_the_hub_is(write_rows, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    write_rows([{"i": 0}, {"i": 1}], "train.jsonl")
    rows = open_hub(str(tmp_path), config=None, split="train", streaming=False)
    assert (len(rows), rows[1].value) == (2, {"i": 1})
    stream = open_hub(str(tmp_path), config=None, split="train", streaming=True)
    assert [row.value["i"] for row in stream.read()] == [0, 1]
    with pytest.raises(DataError, match=r"\[test\]: cannot be loaded"):
        open_hub(str(tmp_path), config=None, split="test", streaming=False)
