"""Metric sinks."""

import pytest

from tinker_core import ConfigError
from tinker_train import JsonlSink, MetricSinks, read_metrics


def test_a_row_is_appended_with_its_step_and_goes_to_every_sink(tmp_path):
    files = [tmp_path / name for name in ("a.jsonl", "b.jsonl")]
    sinks = MetricSinks(tuple(map(JsonlSink, files)))
    sinks.log_metrics({"nll": 3.0}, 0)
    sinks.log_metrics({"nll": 2.0}, 1)
    sinks.close()
    for file in files:
        assert read_metrics(file) == [{"step": 0, "nll": 3.0}, {"step": 1, "nll": 2.0}]


def test_a_metric_cannot_replace_the_step_of_its_row(tmp_path):
    file = tmp_path / "metrics.jsonl"
    with pytest.raises(ConfigError, match="'step' is reserved"):
        JsonlSink(file).log_metrics({"step": 999.0}, 1)
    assert not file.exists()
