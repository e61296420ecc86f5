"""JSONL files by row number."""

import pytest

from tinker_core import DataError
from tinker_data import open_jsonl


def test_rows_are_found_by_number_in_any_order(write_rows):
    rows = open_jsonl(write_rows([{"i": 0}, {"i": 1, "text": "ä\u2028b"}, {"i": 2}]))
    assert len(rows) == 3
    assert [rows[i].value["i"] for i in (2, 0, 1)] == [2, 0, 1]
    assert rows[1].value["text"] == "ä\u2028b"


def test_a_blank_line_is_no_row_but_counts_as_a_line(write_rows):
    rows = open_jsonl(write_rows([{"i": 0}, "", "   ", {"i": 1}]))
    assert len(rows) == 2
    assert rows[1].place.row == 4


def test_a_last_line_without_a_line_end_is_a_row(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"i": 0}\n{"i": 1}')
    assert open_jsonl(path)[1].value == {"i": 1}


def test_malformed_json_names_file_and_line(write_rows):
    path = write_rows([{"i": 0}, '{"i": 1'])
    with pytest.raises(DataError, match=rf"{path}:2: not JSON") as caught:
        assert open_jsonl(path)[1].value
    assert caught.value.row == 2


def test_bytes_that_are_no_text_name_file_and_line(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"i": "\xff\xfe"}\n')
    with pytest.raises(DataError, match=r"rows.jsonl:1: not UTF-8"):
        assert open_jsonl(path)[0].value


def test_an_empty_file_is_an_error_that_names_it(write_rows):
    with pytest.raises(DataError, match=r"rows.jsonl: the file has no rows"):
        open_jsonl(write_rows([]))


def test_a_missing_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(DataError, match=r"nowhere.jsonl: cannot be read: No such file"):
        open_jsonl(tmp_path / "nowhere.jsonl")
