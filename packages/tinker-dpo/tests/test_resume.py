"""Interrupted and resumed is as if never interrupted, the reference included.

A child process is killed with SIGKILL at a call to the engine; a second one goes on. Metrics,
stored reference and final weights are compared with those of a run that nobody disturbed.
`DPO_KILLS` sets how many places are tried; the gate tries a few.
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
from tinker_dpo import open_data, train_on
from tinker_dpo.reference.logprobs import FILE_NAME, ReferenceFile
from tinker_train import Adam, Engine, check_run_directory, read_checkpoints, read_metrics
from tinker_train.run.directory import RunDirectory

CALLS = 6 + 10 * 3 + 5 + 3 + 2  # reference, steps, evaluations, saves, the last save
KILLS = int(os.environ.get("DPO_KILLS", "6"))


class DeadlyClient:
    """A bigram client that, with its siblings, kills the process at the n-th call."""

    def __init__(self, inner, service):
        self.inner, self.service = inner, service

    def __getattr__(self, name):
        self.service.calls_left -= 1
        if self.service.calls_left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return getattr(self.inner, name)


class DeadlyService(BigramService):
    """A bigram service with such clients."""

    def __init__(self, folder, kill_at):
        super().__init__(folder, vocab_size=300)
        self.calls_left = kill_at

    def _client(self, model):
        return DeadlyClient(super()._client(model), self)


def rows_of(config):
    """The metrics without those that the clock decides."""
    rows = read_metrics(RunDirectory(config.run_dir).metrics_file)
    timed = ("time/", "tokens_per_second")
    return [{k: v for k, v in row.items() if not k.startswith(timed)} for row in rows]


def final_weights(config, folder):
    record = read_checkpoints(RunDirectory(config.run_dir).checkpoints_file)[-1]
    assert record.final
    service = BigramService(folder, vocab_size=300)
    return service.create_training_client_from_state(record.state_path).result().model.logits


def run_in_child(config, renderer, service) -> int:
    """Run in a process of its own; minus the signal that ended it, or its exit status."""

    def work():
        engine = Engine(service=service, kind="local", description="the bigram double")
        asyncio.run(train_on(engine, config, open_data(config, renderer)))

    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join()
    return child.exitcode


@pytest.fixture(scope="module")
def kill_points():
    return sorted(random.Random(0).sample(range(1, CALLS), min(KILLS, CALLS - 1)))


def test_killed_at_any_call_and_resumed_is_as_if_never_killed(
    make_config, renderer, tmp_path, run_on_double, kill_points, engine_home
):
    undisturbed = make_config("undisturbed")
    run_on_double(undisturbed)
    expected = rows_of(undisturbed)
    reference = ReferenceFile(undisturbed.run_dir / FILE_NAME).read()
    for kill_at in kill_points:
        config, folder = make_config(f"killed-{kill_at}"), tmp_path / f"engine-{kill_at}"
        assert run_in_child(config, renderer, DeadlyService(folder, kill_at)) == -signal.SIGKILL
        assert run_in_child(config, renderer, BigramService(folder, vocab_size=300)) == 0
        assert rows_of(config) == expected, f"killed at call {kill_at}"
        same = final_weights(config, folder), final_weights(undisturbed, engine_home)
        assert np.array_equal(*same), f"killed at call {kill_at}"
        assert ReferenceFile(config.run_dir / FILE_NAME).read() == reference


def test_a_resumed_run_does_not_ask_the_reference_again(
    make_config, renderer, tmp_path, engine_home
):
    config = make_config()
    assert run_in_child(config, renderer, DeadlyService(engine_home, 30)) == -signal.SIGKILL
    assert read_checkpoints(RunDirectory(config.run_dir).checkpoints_file)[-1].step == 3
    made = BigramService(engine_home, vocab_size=300)
    before = (engine_home / "runs.json").read_text()
    assert run_in_child(config, renderer, made) == 0
    assert int((engine_home / "runs.json").read_text()) == int(before) + 1  # the policy alone


def test_a_lost_reference_is_computed_from_where_the_policy_began(make_config, run_on_double):
    config = make_config()
    run_on_double(config)
    file = ReferenceFile(config.run_dir / FILE_NAME)
    before = file.read()
    file.path.unlink()
    run_on_double(config)
    assert file.read() == before


def test_a_line_of_the_reference_torn_by_a_kill_is_left_out(tmp_path):
    file = ReferenceFile(tmp_path / FILE_NAME)
    file.add({"a": -1.5})
    with file.path.open("a") as torn:
        torn.write('{"b": -2')
    assert file.read() == {"a": -1.5}
    file.add({"c": -3.25})
    assert file.read() == {"a": -1.5, "c": -3.25}


def test_a_damaged_reference_is_an_error_with_its_line(tmp_path):
    file = ReferenceFile(tmp_path / FILE_NAME)
    file.add({"a": -1.5})
    file.add({"b": "low"})
    with pytest.raises(RunDirectoryError, match=r"reference.jsonl:2: not log-probabilities"):
        file.read()


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
    with pytest.raises(RunDirectoryError, match=r"adam.learning_rate: 0.1 != 0.2"):
        check_run_directory(other.run_dir, other, "resume")
