"""JSONL files, whole and damaged."""

import gzip
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinker_core import DataError
from tinker_core.jsonl import parse_jsonl, read_jsonl

CHARACTERS = st.characters(exclude_categories=["Cs"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(CHARACTERS) | st.sampled_from(["\u2028", "\u2029", "\u0085", "\r", "\n"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(CHARACTERS), inner),
    max_leaves=5,
)  # fmt: skip
ROWS = st.lists(st.dictionaries(st.text(CHARACTERS), VALUES, max_size=3), max_size=4)


def lines_of(text):
    return text.encode().splitlines(keepends=True)


@given(rows=ROWS, ascii_only=st.booleans(), end=st.sampled_from(["\n", "\r\n"]))
def test_rows_come_back_whatever_characters_they_hold(rows, ascii_only, end):
    text = "".join(json.dumps(row, ensure_ascii=ascii_only) + end for row in rows)
    lines = text.encode().split(b"\n")
    assert list(parse_jsonl(line + b"\n" for line in lines[:-1])) == list(enumerate(rows, start=1))


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\u0085"])
def test_only_a_line_feed_ends_a_line(tmp_path, separator):
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"a": "x{separator}y"}}\n{{"a": 2}}\n', encoding="utf-8")
    assert [row["a"] for _, row in read_jsonl(path)] == [f"x{separator}y", 2]


def test_a_byte_order_mark_is_accepted_at_the_beginning_of_a_file_only(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\n\xef\xbb\xbf{"a": 2}\n')
    rows = read_jsonl(path)
    assert next(rows) == (1, {"a": 1})
    with pytest.raises(DataError, match=r"rows\.jsonl:2: not JSON"):
        next(rows)


def test_blank_lines_count_but_are_not_rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('\n{"a": 1}\n  \r\n{"a": 2}')
    assert list(read_jsonl(path)) == [(2, {"a": 1}), (4, {"a": 2})]


def test_a_compressed_file_is_read(tmp_path):
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n'))
    assert list(read_jsonl(path)) == [(1, {"a": 1})]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b'{"a": 1', "not JSON"),
        (b"[1]", r"a row is a JSON object, not \[1\]"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": "\\ud83d"}', "unpaired surrogate"),
        (b'{"a": %s}' % (b"9" * 5000), "not JSON"),
        (b'{"a": %s%s}' % (b"[" * 200_000, b"]" * 200_000), "nested too deeply"),
        (b'{"a": NaN}', "not JSON: NaN"),
        (b'{"a": 1e400}', "too large"),
        (b'{"a": 1, "a": 2}', "the key 'a' stands twice"),
    ],
)
def test_a_bad_line_is_one_error_with_file_and_row(tmp_path, line, problem):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 0}\n' + line + b"\n")
    with pytest.raises(DataError, match=rf"rows\.jsonl:2: .*{problem}") as caught:
        list(read_jsonl(path))
    assert caught.value.row == 2
    assert len(str(caught.value)) < 400


def test_a_torn_last_line_is_an_error_unless_it_may_be_dropped(tmp_path, caplog):
    path = tmp_path / "rows.jsonl"
    path.write_bytes('{"a": 1}\n{"a": "ä'.encode()[:-1])
    with pytest.raises(DataError, match=r"rows\.jsonl:2: "):
        list(read_jsonl(path))
    with caplog.at_level(logging.WARNING):
        assert list(read_jsonl(path, drop_torn_line=True)) == [(1, {"a": 1})]
    assert "rows.jsonl:2: torn last line dropped" in caplog.text


def test_a_damaged_line_before_the_last_is_never_dropped(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n{"a": \n{"a": 3}\n')
    with pytest.raises(DataError, match=r"rows\.jsonl:2: "):
        list(read_jsonl(path, drop_torn_line=True))


@pytest.mark.parametrize("name", ["none.jsonl", "none.jsonl.gz"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name):
    with pytest.raises(DataError, match=f"{name}: cannot be read"):
        list(read_jsonl(tmp_path / name))


def test_a_compressed_file_that_was_cut_off_is_named(tmp_path):
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n' * 99)[:-9])
    with pytest.raises(DataError, match=r"rows.jsonl.gz: cannot be read"):
        list(read_jsonl(path))
