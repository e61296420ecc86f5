"""Tasks are found by name, and the packages that they need are named."""

import pytest

from tinker_core import ConfigError
from tinker_evals import (
    load_items,
)
from tinker_evals.tasks import TASKS, get_task


def test_the_packages_of_two_tasks_are_named_where_they_lack() -> None:
    with pytest.raises(ConfigError, match="pip install --no-deps bfcl-eval"):
        load_items(TASKS["bfcl"])


def test_an_unknown_task_suggests_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean gsm8k"):
        get_task("gsm8")


def test_a_users_task_is_found_by_module_and_name() -> None:
    assert get_task("tinker_evals.tasks.sums:sums") is TASKS["sums"]
    for name in ("tinker_evals.tasks.sums:nothing", "no_such_module:x", "json:dumps"):
        with pytest.raises(ConfigError):
            get_task(name)


def test_every_task_says_whose_data_it_is() -> None:
    for task in TASKS.values():
        assert len(task.summary) > 30
