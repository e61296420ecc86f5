"""Interrupted and resumed is as if never interrupted.

A child process is killed with SIGKILL at a call to the engine; a second one goes on. Metrics, data
and the final weights are compared with those of a run that nobody disturbed. `SL_KILLS` sets how
many places are tried; the gate tries a few.
"""

import asyncio
import multiprocessing
import os
import random
import signal

import numpy as np
import pytest

from tinker_core import RunDirectoryError
from tinker_core.testing import BigramService
from tinker_sl import Config, train_on
from tinker_train import (
    Adam,
    Engine,
    check_run_directory,
    hold_run,
    read_checkpoints,
    read_metrics,
)
from tinker_train.run.directory import RunDirectory

CALLS = 10 * 2 + 5 + 3 + 2  # steps, evaluations, saves, the last save
KILLS = int(os.environ.get("SL_KILLS", "6"))


class DeadlyClient:
    """A bigram client whose process gets a signal at the n-th call."""

    def __init__(self, inner, kill_at, number):
        self.inner, self.calls_left, self.number = inner, kill_at, number

    def __getattr__(self, name):
        self.calls_left -= 1
        if self.calls_left == 0:
            os.kill(os.getpid(), self.number)
        return getattr(self.inner, name)


class DeadlyService(BigramService):
    """A bigram service with such clients."""

    def __init__(self, folder, kill_at, number=signal.SIGKILL):
        super().__init__(folder, vocab_size=300)
        self.kill_at, self.number = kill_at, number

    def _client(self, model):
        return DeadlyClient(super()._client(model), self.kill_at, self.number)


def rows_of(config: Config):
    """The metrics without those that the clock decides."""
    rows = read_metrics(RunDirectory(config.run_dir).metrics_file)
    timed = ("time/", "tokens_per_second")
    return [{k: v for k, v in row.items() if not k.startswith(timed)} for row in rows]


def final_weights(config: Config, folder):
    record = read_checkpoints(RunDirectory(config.run_dir).checkpoints_file)[-1]
    assert record.final
    service = BigramService(folder, vocab_size=300)
    return service.create_training_client_from_state(record.state_path).result().model.logits


def run_in_child(config, data, service) -> int:
    """Run in a process of its own; minus the signal that ended it, or its exit status."""

    def work():
        engine = Engine(service=service, kind="local", description="the bigram double")
        asyncio.run(train_on(engine, config, data))

    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join()
    return child.exitcode


@pytest.fixture(scope="module")
def kill_points():
    chosen = random.Random(0).sample(range(1, CALLS), min(KILLS, CALLS - 1))
    return sorted(chosen)


def test_killed_at_any_call_and_resumed_is_as_if_never_killed(
    make_config, renderer, tmp_path, run_on_double, kill_points, engine_home
):
    undisturbed = make_config("undisturbed")
    run_on_double(undisturbed)
    expected = rows_of(undisturbed)
    for kill_at in kill_points:
        config, folder = make_config(f"killed-{kill_at}"), tmp_path / f"engine-{kill_at}"
        data = config.data.build(renderer=renderer, seed=config.seed)
        assert run_in_child(config, data, DeadlyService(folder, kill_at)) == -signal.SIGKILL
        assert run_in_child(config, data, BigramService(folder, vocab_size=300)) == 0
        assert rows_of(config) == expected, f"killed at call {kill_at}"
        same = final_weights(config, folder), final_weights(undisturbed, engine_home)
        assert np.array_equal(*same), f"killed at call {kill_at}"


def test_killed_again_and_again_it_still_arrives(make_config, renderer, tmp_path, run_on_double):
    undisturbed = make_config("undisturbed")
    run_on_double(undisturbed)
    config, folder = make_config("killed"), tmp_path / "engine-killed"
    data = config.data.build(renderer=renderer, seed=config.seed)
    # 15 calls are enough for one more checkpoint each time, so that there is progress
    ends = [run_in_child(config, data, DeadlyService(folder, 15)) for _ in range(4)]
    assert ends[0] == -signal.SIGKILL
    assert ends[-1] == 0
    assert rows_of(config) == rows_of(undisturbed)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_asked_to_stop_it_saves_and_goes_on_later(
    make_config, renderer, tmp_path, run_on_double, number
):
    undisturbed = make_config("undisturbed")
    run_on_double(undisturbed)
    config, folder = make_config("stopped"), tmp_path / "engine-stopped"
    data = config.data.build(renderer=renderer, seed=config.seed)
    assert run_in_child(config, data, DeadlyService(folder, 12, number)) == 0
    (*_, last) = read_checkpoints(RunDirectory(config.run_dir).checkpoints_file)
    assert not last.final
    assert last.step not in (3, 6, 9)  # saved because of the signal, and not by the cadence
    assert run_in_child(config, data, BigramService(folder, vocab_size=300)) == 0
    assert rows_of(config) == rows_of(undisturbed)


def test_a_run_that_is_complete_is_left_as_it_is(make_config, run_on_double):
    config = make_config()
    first = run_on_double(config)
    again = run_on_double(config)
    assert rows_of(config)[-1]["step"] == 10
    assert (again.step, again.end) == (10, "complete")
    assert again.sampler_path == first.sampler_path
    assert again.metrics == first.metrics


def test_a_run_of_another_config_is_not_resumed(make_config, run_on_double):
    run_on_double(make_config())
    check_run_directory(make_config().run_dir, make_config(), "resume")
    other = make_config(adam=Adam(learning_rate=0.2))
    with pytest.raises(RunDirectoryError, match=r"adam.learning_rate: 0.3 != 0.2"):
        check_run_directory(other.run_dir, other, "resume")


def test_a_run_that_another_process_works_on_is_left_alone(make_config, run_on_double):
    run_on_double(make_config())
    before = rows_of(make_config())
    with hold_run(make_config().run_dir), pytest.raises(RunDirectoryError, match="in use"):
        run_on_double(make_config())
    assert rows_of(make_config()) == before
