"""Interrupted and resumed equals uninterrupted, the stored reference included.

`DPO_KILLS` sets at how many calls runs are killed; the gate tries a few.
"""

import os

import pytest

from tinker_core import RunDirectoryError
from tinker_dpo.reference.logprobs import FILE_NAME, ReferenceFile
from tinker_train import Adam, check_run_directory
from tinker_train.testing import ResumeTests


class TestResume(ResumeTests):
    calls = 6 + 10 * 3 + 5 + 4 * 2  # reference, steps, evaluations, saves
    kills = int(os.environ.get("DPO_KILLS", "6"))

    def compare(self, resumed, expected):
        super().compare(resumed, expected)
        files = [ReferenceFile(run_dir / FILE_NAME).read() for run_dir in (resumed, expected)]
        assert files[0] == files[1]


def test_a_run_of_another_config_is_not_resumed(make_config, run_on_double):
    run_on_double(make_config())
    check_run_directory(make_config().run_dir, make_config(), "resume")
    other = make_config(adam=Adam(learning_rate=0.2))
    with pytest.raises(RunDirectoryError, match=r"adam.learning_rate: 0.1 != 0.2"):
        check_run_directory(other.run_dir, other, "resume")


def test_a_run_whose_data_changed_is_not_resumed(make_config, run_on_double, pairs):
    run_on_double(make_config())
    rows = pairs.read_text().splitlines(keepends=True)
    pairs.write_text("".join(rows[:-2]))
    with pytest.raises(RunDirectoryError, match=r"pairs\.jsonl: .*num_rows was 24 and is 22"):
        run_on_double(make_config())
