"""Names of metrics in MLflow.

MLflow's own rule (`mlflow.utils.validation`): letters, digits, `_`, `/`, `.`, `-`, space and `:`, a
normalized relative path, and at most 250 characters.
"""

import posixpath
import re
from types import SimpleNamespace

import pytest

from tinker_train.metrics.mlflow import MlflowSink, metric_name

NAMES = ["pass@1", "env/all/stop/max tokens", "a//b", "/a", "../a", "a/..", ".", "ratio(%)", "é=1"]


@pytest.mark.parametrize("name", [*NAMES, "", "a" * 300, "a/" * 125 + "b"])
def test_every_name_becomes_one_that_mlflow_accepts(name):
    valid = metric_name(name)
    assert re.fullmatch(r"[/\w.\- ]{1,250}", valid)
    assert posixpath.normpath(valid) == valid
    assert not valid.startswith(("/", ".."))


def test_a_valid_name_stays():
    for name in ("test/nll", "env/all/reward_p10", "num_tokens", "a.b-c d"):
        assert metric_name(name) == name


def test_two_metrics_never_share_a_name():
    logged = []
    package = SimpleNamespace(log_metrics=lambda metrics, step: logged.append((metrics, step)))
    sink = MlflowSink(package, 0)
    sink.log_metrics({"pass@1": 0.5}, 1)
    with pytest.raises(ValueError, match="it is called 'pass_1' in MLflow, like 'pass@1'"):
        sink.log_metrics({"pass_1": 0.25}, 2)
    sink.log_metrics({"pass@1": 0.75}, 3)
    assert logged == [({"pass_1": 0.5}, 1), ({"pass_1": 0.75}, 3)]
