"""Tests that every training algorithm must pass: interrupted and resumed equals uninterrupted.

The test class of an algorithm extends `ResumeTests`, which kills runs in a child process, at a call
to the double of the engine in `tinker_core.testing`. `kill_and_resume` does it to a command line.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from attrs import define, field
from numpy.typing import NDArray

from tinker_core.testing import BigramModel, BigramService, BigramTrainingClient
from tinker_train.checkpoint.record import read_checkpoints
from tinker_train.checkpoint.settings import Checkpoints
from tinker_train.config.cadence import Every
from tinker_train.engine.training_client import Lora
from tinker_train.metrics.rows import read_metrics
from tinker_train.run.config import RunConfig
from tinker_train.run.directory import RunDirectory
from tinker_train.run.result import TrainResult

VOCABULARY = 300  # room for a tokenizer of bytes and its control tokens
_TIMED = ("time/", "tokens_per_second")

MakeConfig = Callable[..., RunConfig]
"""Makes the config of a run in the directory of that name; keywords change fields."""
RunOn = Callable[[RunConfig, BigramService], TrainResult]
"""Trains from a config on an engine, from scratch or from the last checkpoint."""


def double(folder: Path) -> BigramService:
    """A bigram engine that keeps its checkpoints in the folder."""
    return BigramService(folder, vocab_size=VOCABULARY)


def ten_steps(run_dir: Path) -> dict[str, Any]:
    """Settings of a run of ten steps with five batches per epoch, saved every three steps."""
    return {
        "model": "double",
        "run_dir": run_dir,
        "lora": Lora(rank=4),
        "num_epochs": 2,
        "checkpoints": Checkpoints(every=Every(steps=3)),
        "seed": 1,
    }


@define
class WatchedService(BigramService):
    """A bigram engine that keeps its training clients, whose `calls` tell what was submitted."""

    vocab_size: int = VOCABULARY
    clients: list[BigramTrainingClient] = field(factory=list)

    def _client(self, model: BigramModel) -> BigramTrainingClient:
        self.clients.append(super()._client(model))
        return self.clients[-1]


@define(kw_only=True)
class KillingService(BigramService):
    """A bigram engine that sends its process a signal at the n-th call to its training clients."""

    calls_left: int
    signal: int = signal.SIGKILL
    vocab_size: int = VOCABULARY

    def _client(self, model: BigramModel) -> Any:
        return _KillingClient(super()._client(model), self)


@define
class _KillingClient:
    _inner: BigramTrainingClient
    _service: KillingService

    def __getattr__(self, name: str) -> Any:
        self._service.calls_left -= 1
        if self._service.calls_left == 0:
            os.kill(os.getpid(), self._service.signal)
        return getattr(self._inner, name)


def exit_code_in_child(run_on: RunOn, config: RunConfig, service: BigramService) -> int | None:
    """Train in a child process: its exit status, or minus the signal that ended it."""
    child = multiprocessing.get_context("fork").Process(target=run_on, args=(config, service))
    child.start()
    child.join()
    return child.exitcode


def kill_and_resume(
    program: Sequence[str], arguments: Sequence[str], run_dir: Path, *, rows: int
) -> None:
    """Run `program train ...`, kill it at that many rows of metrics, and run `program resume`."""
    run = subprocess.Popen([*program, "train", "--run-dir", str(run_dir), *arguments])
    while len(read_metrics(RunDirectory(run_dir).metrics_file)) < rows and run.poll() is None:
        time.sleep(0.01)
    run.kill()
    assert run.wait() == -signal.SIGKILL, "the run ended before it was killed"
    subprocess.run([*program, "resume", str(run_dir)], check=True)


def comparable_rows(run_dir: Path) -> list[dict[str, Any]]:
    """The metrics of a run without those that depend on the clock."""
    rows = read_metrics(RunDirectory(run_dir).metrics_file)
    return [{k: v for k, v in row.items() if not k.startswith(_TIMED)} for row in rows]


def final_weights(run_dir: Path, service: BigramService) -> NDArray[np.float64]:
    """The logits in the last checkpoint of a complete run."""
    record = read_checkpoints(RunDirectory(run_dir).checkpoints_file)[-1]
    assert record.final
    assert record.state_path is not None
    client = service.create_training_client_from_state(record.state_path).result()
    return np.asarray(client.model.logits)


class ResumeTests:
    """Kills runs of an algorithm on the double, resumes them, and compares them.

    The fixtures are `make_config` (MakeConfig; runs of ten steps with a checkpoint every three),
    `run_on_double` (RunOn) and pytest's `tmp_path`.
    """

    calls: int
    """Calls of an uninterrupted run to its training clients."""
    kills: int = 6
    """Number of calls to be killed at, drawn from all of them."""

    def test_killed_at_any_call_and_resumed_equals_uninterrupted(
        self, make_config: MakeConfig, run_on_double: RunOn, tmp_path: Path
    ) -> None:
        expected = make_config("uninterrupted")
        run_on_double(expected, double(tmp_path / "engine"))
        places = random.Random(0).sample(range(1, self.calls), min(self.kills, self.calls - 1))
        for place in places:
            config, folder = make_config(f"killed-{place}"), tmp_path / f"engine-{place}"
            killing = KillingService(folder, calls_left=place)
            assert exit_code_in_child(run_on_double, config, killing) == -signal.SIGKILL
            assert exit_code_in_child(run_on_double, config, double(folder)) == 0
            self.compare(config.run_dir, expected.run_dir)
            weights = final_weights(config.run_dir, double(folder))
            same = final_weights(expected.run_dir, double(tmp_path / "engine"))
            assert np.array_equal(weights, same), f"killed at call {place}"

    def test_killed_again_and_again_it_arrives(
        self, make_config: MakeConfig, run_on_double: RunOn, tmp_path: Path
    ) -> None:
        expected = make_config("uninterrupted")
        run_on_double(expected, double(tmp_path / "engine"))
        config, folder = make_config("killed"), tmp_path / "engine-killed"
        # half of the calls are enough for one more checkpoint each time
        ends = [
            exit_code_in_child(
                run_on_double, config, KillingService(folder, calls_left=self.calls // 2)
            )
            for _ in range(4)
        ]
        assert ends[0] == -signal.SIGKILL
        assert ends[-1] == 0
        self.compare(config.run_dir, expected.run_dir)

    def test_a_stop_request_saves_and_the_run_is_resumed_later(
        self, make_config: MakeConfig, run_on_double: RunOn, tmp_path: Path
    ) -> None:
        expected = make_config("uninterrupted")
        run_on_double(expected, double(tmp_path / "engine"))
        for number in (signal.SIGINT, signal.SIGTERM):
            config, folder = make_config(number.name), tmp_path / f"engine-{number.name}"
            stopping = KillingService(folder, calls_left=self.calls * 2 // 5, signal=number)
            assert exit_code_in_child(run_on_double, config, stopping) == 0
            last = read_checkpoints(RunDirectory(config.run_dir).checkpoints_file)[-1]
            assert not last.final
            assert last.step not in (3, 6, 9), "saved by the cadence, not by the request"
            assert exit_code_in_child(run_on_double, config, double(folder)) == 0
            self.compare(config.run_dir, expected.run_dir)

    def test_a_complete_run_is_left_as_it_is(
        self, make_config: MakeConfig, run_on_double: RunOn, tmp_path: Path
    ) -> None:
        config, service = make_config(), double(tmp_path / "engine")
        first = run_on_double(config, service)
        again = run_on_double(config, service)
        assert comparable_rows(config.run_dir)[-1]["step"] == 10
        assert (again.step, again.end) == (10, "complete")
        assert again.sampler_path == first.sampler_path
        assert again.metrics == first.metrics

    def compare(self, resumed: Path, expected: Path) -> None:
        """Assert that two run directories have the same metrics; extend it for further files."""
        assert comparable_rows(resumed) == comparable_rows(expected), resumed.name
