"""Rows of metrics."""

import pytest

from tinker_core import ConfigError, RunDirectoryError
from tinker_train import dict_mean, last_values, merge_metrics, read_metrics
from tinker_train.files import append_row


def test_metrics_without_a_step_are_an_error_with_their_place(tmp_path):
    file = tmp_path / "metrics.jsonl"
    append_row(file, {"train/nll": 1.0})
    with pytest.raises(RunDirectoryError, match=r"metrics.jsonl:1: step"):
        read_metrics(file)


def test_a_mean_is_over_the_rows_that_have_the_metric():
    assert dict_mean([{"a": 1.0, "b": 4.0}, {"a": 2.0}]) == {"a": 1.5, "b": 4.0}
    assert dict_mean([]) == {}


def test_the_last_value_of_a_metric_is_that_of_the_last_row_that_has_it():
    rows = [{"step": 1, "nll": 3.0, "test": 9.0}, {"step": 2, "nll": 2.0}]
    assert last_values(rows) == {"step": 2, "nll": 2.0, "test": 9.0}


def test_merging_keeps_every_metric():
    assert merge_metrics("step 1", {"a": 1.0}, {}, {"b": 2.0}) == {"a": 1.0, "b": 2.0}


def test_a_name_twice_and_the_name_of_the_step_are_refused():
    with pytest.raises(ConfigError, match="step 3: two metrics are called 'train/nll'"):
        merge_metrics("step 3", {"train/nll": 1.0}, {"train/nll": -5.0})
    with pytest.raises(ConfigError, match="step 3: the metric name 'step' is reserved"):
        merge_metrics("step 3", {"step": 999.0})
