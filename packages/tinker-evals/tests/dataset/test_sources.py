"""Rows are read as they lie in the file, and what cannot be read is named with its place."""

import gzip
import json
from pathlib import Path

import pytest

from tinker_core import ConfigError, DataError
from tinker_evals import JsonlFile, Package, Shipped
from tinker_evals.tasks import TASKS

ROWS = [{"text": "one\u2028two\u2029three\x85four"}, {"text": "\ufefffive"}]


def test_a_row_ends_at_a_line_feed_and_nowhere_else(tmp_path: Path) -> None:
    plain, packed = tmp_path / "rows.jsonl", tmp_path / "rows.jsonl.gz"
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
    plain.write_bytes(b"\xef\xbb\xbf" + lines.encode())
    packed.write_bytes(gzip.compress(lines.encode()))
    assert JsonlFile(plain).rows() == JsonlFile(packed).rows() == ROWS


@pytest.mark.parametrize("line", ["{", "[1]", "3", "\x00", "[" * 50_000])
def test_a_line_that_is_no_object_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"a": 1}\n' + line + "\n")
    with pytest.raises(DataError, match=r"rows.jsonl:2: "):
        JsonlFile(file).rows()


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.jsonl"):
        JsonlFile(tmp_path / "nowhere.jsonl").rows()


def test_a_file_of_an_installed_package_is_found_by_the_end_of_its_path() -> None:
    with pytest.raises(DataError, match="no such file"):
        Package("attrs", "no-such.jsonl").rows()
    with pytest.raises(ConfigError, match="pip install no-such-package"):
        Package("no-such-package", "rows.jsonl").rows()


def test_some_items_are_shipped_for_every_task() -> None:
    assert all(Shipped(name).rows() for name in [*TASKS, "open_questions"])
    with pytest.raises(ConfigError, match="no items are shipped for 'nothing'"):
        Shipped("nothing").rows()
