"""Sinks beside the run's folder."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
from attrs import define, field

from tinker_core import ConfigError
from tinker_train import Reporting
from tinker_train.metrics.external import ReportedRun
from tinker_train.metrics.reporting import ReportingSink, open_sinks


class Broken:
    first_step = 0

    def __init__(self):
        self.calls = 0

    def log_metrics(self, metrics, step):
        self.calls += 1
        raise ConnectionError("no route")

    def close(self):
        self.calls += 1


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    return ReportedRun(path=path, run_id="0123456789abcdef", config={"lr": 1e-4})


def test_a_sink_that_fails_again_and_again_is_left_out_and_that_is_said_once():
    said = []
    broken = Broken()
    sink = ReportingSink("wandb", broken, said.append)
    for step in range(9):
        sink.log_metrics({"a": 1.0, "b": 2.0}, step)
    sink.close()
    assert said == ["wandb gets no more metrics: ConnectionError: no route"]
    assert broken.calls == 4


@define
class Particular:
    """A sink that refuses a row with a name that it does not know."""

    known: set[str]
    first_step: int = 0
    rows: list = field(factory=list)

    def log_metrics(self, metrics, step):
        if strange := metrics.keys() - self.known:
            raise ValueError(f"invalid name {min(strange)}")
        self.rows.append((step, metrics))

    def close(self):
        pass


def test_a_metric_that_a_sink_refuses_is_left_out_and_all_others_arrive():
    said = []
    particular = Particular({"a", "b"})
    sink = ReportingSink("mlflow", particular, said.append)
    for step in range(9):
        sink.log_metrics({"a": 1.0, "pass@1": 0.5, "b": 2.0}, step)
    assert said == ["mlflow does not get 'pass@1': ValueError: invalid name pass@1"]
    arrived = {}
    for step, row in particular.rows:
        arrived.setdefault(step, {}).update(row)
    assert arrived == {step: {"a": 1.0, "b": 2.0} for step in range(9)}


def test_a_short_outage_costs_the_rows_of_its_time_and_no_metric_later():
    particular = Particular(set())
    sink = ReportingSink("mlflow", particular, print)
    sink.log_metrics({"a": 1.0}, 0)
    particular.known.add("a")
    sink.log_metrics({"a": 2.0}, 1)
    assert particular.rows == [(1, {"a": 2.0})]


def test_a_sink_that_is_not_installed_says_what_to_install(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ConfigError, match="logging to wandb needs `pip install wandb`"):
        open_sinks(Reporting(wandb="project"), run, [], print)


def test_a_sink_that_cannot_be_opened_is_left_out_and_that_is_said(run, monkeypatch):
    def init(**options):
        raise ConnectionError("no key")

    module = ModuleType("wandb")
    module.init = init
    monkeypatch.setitem(sys.modules, "wandb", module)
    said = []
    assert open_sinks(Reporting(wandb="project"), run, [], said.append) == ()
    assert said == ["wandb gets no metrics: ConnectionError: no key"]


def test_nothing_is_opened_unless_it_is_asked_for(run):
    assert open_sinks(Reporting(), run, [], print) == ()


def test_weights_and_biases_gets_every_row_under_the_run_s_own_id(run, monkeypatch):
    calls = []

    def init(**options):
        calls.append(options)
        return SimpleNamespace(
            starting_step=0,
            log=lambda row, step: calls.append((step, row)),
            finish=lambda: calls.append("end"),
        )

    module = ModuleType("wandb")
    module.init = init
    monkeypatch.setitem(sys.modules, "wandb", module)
    (sink,) = open_sinks(Reporting(wandb="project"), run, [], print)
    sink.log_metrics({"train/nll": 1.5}, 3)
    sink.close()
    assert calls[0]["id"] == "0123456789abcdef"
    assert calls[0]["config"] == {"lr": 1e-4}
    assert (calls[0]["project"], calls[0]["resume"]) == ("project", "allow")
    assert calls[1:] == [(3, {"train/nll": 1.5}), "end"]


def test_mlflow_goes_on_in_the_run_that_it_began(run, monkeypatch):
    started = []
    module = ModuleType("mlflow")
    module.set_experiment = lambda name: None
    module.start_run = lambda run_id, run_name: (
        started.append(run_id)
        or SimpleNamespace(info=SimpleNamespace(run_id="m1"), data=SimpleNamespace(metrics={}))
    )
    module.MlflowClient = lambda: SimpleNamespace(get_metric_history=None)
    module.log_params = lambda params: params
    module.log_metrics = lambda metrics, step: None
    module.end_run = lambda: None
    monkeypatch.setitem(sys.modules, "mlflow", module)
    open_sinks(Reporting(mlflow="experiment"), run, [], print)
    open_sinks(Reporting(mlflow="experiment"), run, [], print)
    assert started == [None, "m1"]


@pytest.mark.parametrize(
    ("first", "told"),
    [(0, [0, 1, 2, 3]), (2, [2, 3]), (3, [3]), (9, [])],
    ids=["knows nothing", "lacks what is on disk", "is up to date", "was told what was taken back"],
)
def test_a_resumed_sink_is_told_the_steps_that_it_lacks(run, monkeypatch, first, told):
    """Steps 0 to 2 lie on disk, with a NaN; step 3 is computed after the resume."""
    rows = [{"step": step, "nll": step + 0.5, "nan": None} for step in range(3)]
    seen = []
    module = ModuleType("wandb")
    module.init = lambda **options: SimpleNamespace(
        starting_step=first, log=lambda row, step: seen.append((step, row)), finish=lambda: None
    )
    monkeypatch.setitem(sys.modules, "wandb", module)
    (sink,) = open_sinks(Reporting(wandb="project"), run, rows, print)
    sink.log_metrics({"nll": 3.5}, 3)
    assert seen == [(step, {"nll": step + 0.5}) for step in told]
