"""Other places where metrics can go: TensorBoard, Weights & Biases, Trackio, MLflow.

None is installed with this package, and none may stop a run: a sink that fails is left out from
then on, and the run says so.

A resume computes the steps after the last checkpoint again, and most of these places take no row
back. So each is asked for the first step that it lacks, and is told those from there on.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from shutil import rmtree
from typing import Any

from attrs import define, frozen

from tinker_core import ConfigError
from tinker_train.config.serialization import flatten
from tinker_train.metrics.sink import Metrics, MetricSink, read_metrics
from tinker_train.run.description import read_description
from tinker_train.run.directory import RunDirectory


@frozen(kw_only=True)
class Reporting:
    """Where metrics go beside the run's folder."""

    tensorboard: bool = False
    """Event files in the run's folder."""
    wandb: str | None = None
    """A project at Weights & Biases."""
    trackio: str | None = None
    """A project of Trackio."""
    mlflow: str | None = None
    """An experiment of MLflow."""


@frozen
class FunctionSink:
    """A sink made of two functions."""

    log: Callable[[Metrics, int], None]
    end: Callable[[], None]

    def log_metrics(self, metrics: Metrics, step: int) -> None:
        """Call the first."""
        self.log(metrics, step)

    def close(self) -> None:
        """Call the second."""
        self.end()


@define
class Forgiving:
    """A sink that is left out once it has failed, and says so then."""

    name: str
    sink: MetricSink
    say: Callable[[str], None]
    failed: bool = False

    def log_metrics(self, metrics: Metrics, step: int) -> None:
        """Pass the row on, unless the sink has failed before."""
        self._try(lambda: self.sink.log_metrics(metrics, step))

    def close(self) -> None:
        """Close the sink, unless it has failed before."""
        self._try(self.sink.close)

    def _try(self, call: Callable[[], None]) -> None:
        if self.failed:
            return
        try:
            call()
        except Exception as error:  # noqa: BLE001  # whatever it is, it must not stop the run
            self.failed = True
            self.say(f"{self.name} gets no more metrics: {type(error).__name__}: {error}")


def open_sinks(
    reporting: Reporting, directory: RunDirectory, say: Callable[[str], None]
) -> tuple[MetricSink, ...]:
    """The sinks that are asked for; a run that is resumed goes on in its old ones.

    One that cannot be opened is left out, and that is said. Raises ConfigError, which says what to
    install, for one whose package is not there.
    """
    run_id = str(read_description(directory.path).get("run_id", directory.path.name))
    makers: dict[str, Callable[[], MetricSink]] = {}
    if reporting.tensorboard:
        makers["tensorboard"] = lambda: _tensorboard(directory)
    if reporting.wandb is not None:
        makers["wandb"] = lambda: _wandb(reporting.wandb, directory, run_id)
    if reporting.trackio is not None:
        makers["trackio"] = lambda: _trackio(reporting.trackio, directory, run_id)
    if reporting.mlflow is not None:
        makers["mlflow"] = lambda: _mlflow(reporting.mlflow, directory)
    opened = (_open(name, make, say) for name, make in makers.items())
    return tuple(sink for sink in opened if sink is not None)


def _open(
    name: str, make: Callable[[], MetricSink], say: Callable[[str], None]
) -> MetricSink | None:
    try:
        return Forgiving(name, make(), say)
    except ConfigError:
        raise
    except Exception as error:  # noqa: BLE001  # no key, no server: it must not stop the run
        say(f"{name} gets no metrics: {type(error).__name__}: {error}")
        return None


def _package(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        extra = name.partition(".")[0]
        raise ConfigError(f"logging to {extra} needs `pip install {extra}`") from error


def _from_step(
    first: int, log: Callable[[Metrics, int], None], end: Callable[[], None], run: RunDirectory
) -> MetricSink:
    """A sink that lacks the steps from `first` on: it gets those on disk now, the others later."""

    def log_new(metrics: Metrics, step: int) -> None:
        if step >= first:
            log({name: value for name, value in metrics.items() if value is not None}, step)

    for row in read_metrics(run.metrics_file):
        log_new({name: value for name, value in row.items() if name != "step"}, row["step"])
    return FunctionSink(log_new, end)


def _tensorboard(directory: RunDirectory) -> MetricSink:
    """Event files cannot be taken back, so a resume writes them anew."""
    package = _package("tensorboard.summary")
    folder = directory.path / "tensorboard"
    rmtree(folder, ignore_errors=True)
    writer = package.Writer(str(folder))

    def log(metrics: Metrics, step: int) -> None:
        for name, value in metrics.items():
            writer.add_scalar(name, value, step)

    return _from_step(0, log, writer.close, directory)


def _wandb(project: str | None, directory: RunDirectory, run_id: str) -> MetricSink:
    """Online it goes on after the last step that W&B has, which would ignore any other.

    Offline it has nothing to go on from, so the files of before make way for one with every step.
    """
    package = _package("wandb")
    for old in (directory.path / "wandb").glob(f"offline-run-*-{run_id}"):
        rmtree(old)
    run = package.init(
        project=project,
        name=directory.path.name,
        id=run_id,
        resume="allow",
        dir=str(directory.path),
        config=read_description(directory.path)["config"],
    )

    def log(metrics: Metrics, step: int) -> None:
        run.log(dict(metrics), step=step)

    return _from_step(run.starting_step, log, run.finish, directory)


def _trackio(project: str | None, directory: RunDirectory, run_id: str) -> MetricSink:
    run = _package("trackio").init(
        project=project,
        name=f"{directory.path.name}-{run_id[:8]}",  # it takes runs of one name for the same run
        resume="allow",
        config=read_description(directory.path)["config"],
    )

    def log(metrics: Metrics, step: int) -> None:
        run.log(dict(metrics), step=step)

    return _from_step(run._next_step, log, run.finish, directory)  # it tells nobody in public


def _mlflow(experiment: str | None, directory: RunDirectory) -> MetricSink:
    mlflow = _package("mlflow")
    mlflow.set_experiment(experiment)
    file = directory.path / "mlflow-run-id"
    known = file.read_text().strip() if file.exists() else None
    run = mlflow.start_run(run_id=known, run_name=None if known else directory.path.name)
    file.write_text(run.info.run_id)
    mlflow.log_params(flatten(read_description(directory.path)["config"]))
    history = mlflow.MlflowClient().get_metric_history
    steps = [point.step for name in run.data.metrics for point in history(run.info.run_id, name)]

    def log(metrics: Metrics, step: int) -> None:
        mlflow.log_metrics(dict(metrics), step=step)

    return _from_step(max(steps, default=-1) + 1, log, mlflow.end_run, directory)
