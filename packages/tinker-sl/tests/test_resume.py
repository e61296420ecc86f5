"""Interrupted and resumed equals uninterrupted.

`SL_KILLS` sets at how many calls runs are killed; the gate tries a few.
"""

import asyncio
import os

import pytest

from tinker_core import RunDirectoryError
from tinker_sl import train_on
from tinker_train import Adam, check_run_directory, lock_run
from tinker_train.testing import ResumeTests, comparable_rows


class TestResume(ResumeTests):
    calls = 10 * 2 + 5 + 4 * 2  # steps, evaluations, saves of state and weights
    kills = int(os.environ.get("SL_KILLS", "6"))


def test_a_run_of_another_config_is_not_resumed(make_config, run_on_double):
    run_on_double(make_config())
    check_run_directory(make_config().run_dir, make_config(), "resume")
    other = make_config(adam=Adam(learning_rate=0.2))
    with pytest.raises(RunDirectoryError, match=r"adam.learning_rate: 0.3 != 0.2"):
        check_run_directory(other.run_dir, other, "resume")


def test_a_run_that_another_process_works_on_is_left_alone(make_config, run_on_double):
    run_on_double(make_config())
    before = comparable_rows(make_config().run_dir)
    with lock_run(make_config().run_dir), pytest.raises(RunDirectoryError, match="in use"):
        run_on_double(make_config())
    assert comparable_rows(make_config().run_dir) == before


def test_a_run_whose_data_changed_is_not_resumed_unless_it_is_accepted(
    make_config, make_engine, run_on_double, renderer, chats
):
    run_on_double(make_config())
    rows = chats.read_text().splitlines(keepends=True)
    chats.write_text("".join(rows[:-2]))
    with pytest.raises(RunDirectoryError, match=r"chats\.jsonl: .*num_rows was 24 and is 22"):
        run_on_double(make_config())
    chats.write_text("".join(rows))
    run_on_double(make_config())
    chats.write_text("".join([*rows[1:], rows[0]]))
    data = make_config().data.build(renderer=renderer, seed=1)
    for accepted in (True, False):  # what was accepted is the data of the run from then on
        work = train_on(make_engine(), make_config(), data, (), changed_data=accepted)
        assert asyncio.run(work).step == 10
