"""The data of a run and of its continuation."""

import pytest

from tinker_core import Fingerprint, RunDirectoryError
from tinker_train.run.data import check_same_data, record_data

FILE = Fingerprint(name="a.jsonl", num_bytes=10, num_rows=5, digest="0" * 64)


def test_a_run_without_fingerprints_is_continued_with_any_data(tmp_path):
    check_same_data(tmp_path, [FILE])
    record_data(tmp_path, [])
    check_same_data(tmp_path, [FILE])
    record_data(tmp_path, [FILE])
    check_same_data(tmp_path, [])


def test_other_data_is_an_error_that_says_what_differs_and_what_to_do(tmp_path):
    record_data(tmp_path, [FILE])
    check_same_data(tmp_path, [FILE])
    other = Fingerprint(name="a.jsonl", num_bytes=8, num_rows=4, digest="1" * 64)
    with pytest.raises(RunDirectoryError) as caught:
        check_same_data(tmp_path, [other])
    message = str(caught.value)
    assert (
        "a.jsonl: num_bytes was 10 and is 8, num_rows was 5 and is 4, digest was 000000" in message
    )
    assert "--changed-data" in message


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "data.json").write_text("{")
    with pytest.raises(RunDirectoryError, match=r"data\.json cannot be read"):
        check_same_data(tmp_path, [FILE])
