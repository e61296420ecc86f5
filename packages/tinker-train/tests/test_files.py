"""Files that a kill cannot damage."""

import logging

import pytest

from tinker_core import RunDirectoryError
from tinker_train.files import append_row, atomic_write, keep_rows, read_rows


def test_rows_come_back_as_they_were_appended(tmp_path):
    file = tmp_path / "rows.jsonl"
    append_row(file, {"step": 1, "text": "a\nb\u2028ä"})
    append_row(file, {"step": 2})
    assert read_rows(file) == [{"step": 1, "text": "a\nb\u2028ä"}, {"step": 2}]


def test_what_is_not_a_number_becomes_null_so_that_every_reader_can_read_it(tmp_path):
    nested = {"deep": [float("-inf"), {"deeper": float("nan")}]}
    row = {"nan": float("nan"), "inf": float("inf"), "one": 1.0, **nested}
    append_row(tmp_path / "rows.jsonl", row)
    expected = {"nan": None, "inf": None, "one": 1.0, "deep": [None, {"deeper": None}]}
    assert read_rows(tmp_path / "rows.jsonl") == [expected]


def test_a_torn_last_line_is_left_out_with_a_warning(tmp_path, caplog):
    file = tmp_path / "rows.jsonl"
    file.write_text('{"step": 1}\n{"step": 2, "nl')
    with caplog.at_level(logging.WARNING):
        assert read_rows(file) == [{"step": 1}]
    assert "rows.jsonl:2: torn last line" in caplog.text


def test_damage_before_the_last_line_is_an_error_with_its_place(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text('{"step": 1}\n{"ste\n{"step": 3}\n')
    with pytest.raises(RunDirectoryError, match=r"rows.jsonl:2: not JSON"):
        read_rows(file)


def test_keeping_rows_removes_the_torn_line_too_so_that_the_next_row_is_whole(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"st')
    keep_rows(file, lambda row: row["step"] <= 2)
    append_row(file, {"step": 3})
    assert [row["step"] for row in read_rows(file)] == [1, 2, 3]


def test_no_file_has_no_rows(tmp_path):
    assert read_rows(tmp_path / "none.jsonl") == []
    keep_rows(tmp_path / "none.jsonl", lambda row: True)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_content_and_nothing_beside_it(tmp_path):
    file = tmp_path / "config.json"
    atomic_write(file, "old")
    with pytest.raises(UnicodeEncodeError):
        atomic_write(file, "new \ud800")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_file_written_whole_is_as_readable_as_any_other(tmp_path):
    atomic_write(tmp_path / "a", "text")
    (tmp_path / "b").write_text("text")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode
