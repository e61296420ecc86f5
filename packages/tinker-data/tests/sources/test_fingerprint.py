"""A source that changed has another fingerprint, and the difference can be read."""

import gzip
import json

import pyarrow as pa
import pytest
from datasets import Dataset
from pyarrow import parquet

from tinker_core import Fingerprint
from tinker_core import fingerprint_changes as changes
from tinker_data import as_source, fingerprints, mix, open_file, split

ROWS = [{"i": i} for i in range(20)]


def write(path, rows):
    text = "".join(json.dumps(row) + "\n" for row in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode(), mtime=0))
    elif path.suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows))
    else:
        path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.parquet", "a.json"])
def test_a_file_that_lost_or_changed_rows_is_noticed(tmp_path, name):
    path = tmp_path / name
    before = fingerprints(open_file(write(path, ROWS)))
    assert changes(before, fingerprints(open_file(write(path, ROWS)))) == []
    [line] = changes(before, fingerprints(open_file(write(path, ROWS[:10]))))
    assert line.startswith(f"{path}: ")
    assert "digest was" in line
    if name != "a.jsonl.gz":
        assert "num_rows was 20 and is 10" in line
    swapped = [{"i": 1}, {"i": 0}, *ROWS[2:]]
    [line] = changes(before, fingerprints(open_file(write(path, swapped))))
    assert "num_rows" not in line
    assert "digest" in line


def test_rows_in_memory_and_datasets_say_what_they_can():
    for make in (
        list,
        Dataset.from_list,
        lambda rows: Dataset.from_list(rows).to_iterable_dataset(),
    ):
        before, now = (fingerprints(as_source(make(rows), "x")) for rows in (ROWS, ROWS[:10]))
        assert changes(before, fingerprints(as_source(make(ROWS), "x"))) == []
        assert changes(before, now)


@pytest.mark.parametrize("make", [list, Dataset.from_list])
def test_one_changed_row_of_many_is_noticed(make):
    rows = [{"i": i} for i in range(2500)]
    before = fingerprints(as_source(make(rows), "x"))
    for changed in (1, 1250, 2499):
        now = [*rows[:changed], {"i": -1}, *rows[changed + 1 :]]
        [line] = changes(before, fingerprints(as_source(make(now), "x")))
        assert "digest was" in line


def test_a_mixture_and_a_split_are_their_files(tmp_path):
    a, b = (open_file(write(tmp_path / name, ROWS)) for name in ("a.jsonl", "b.jsonl.gz"))
    both = [*fingerprints(a), *fingerprints(b)]
    assert list(fingerprints(mix([a, b], [1, 1], seed=0))) == both
    assert list(fingerprints(mix([a, a], [1, 1], seed=0))) == both[:1] * 2
    assert list(fingerprints(split(a, 3, 0)[0])) == both[:1]


def test_what_is_unknown_is_not_compared():
    assert fingerprints(object()) == ()
    known, unknown = Fingerprint(name="a", digest="x"), Fingerprint(name="a")
    assert changes([known], [unknown]) == changes([unknown], [known]) == []


def test_a_source_that_comes_or_goes_is_a_change():
    a, b = Fingerprint(name="a"), Fingerprint(name="b")
    assert changes([a], [b]) == ["a is no longer used", "b was not used before"]
