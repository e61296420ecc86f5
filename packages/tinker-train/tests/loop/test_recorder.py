"""Rows and checkpoints in the order of the steps, whatever comes back when."""

import asyncio

import pytest

from tinker_core import ConfigError
from tinker_core.testing import BigramService
from tinker_train import (
    CheckpointRecord,
    Progress,
    Run,
    read_checkpoints,
    submit_checkpoint,
    task_group,
)
from tinker_train.loop.recorder import Recorder
from tinker_train.metrics.sink import MetricSinks
from tinker_train.run.directory import RunDirectory


class Notes:
    """A sink that remembers, and the checkpoints recorded when a row came."""

    def __init__(self, directory):
        self.directory = directory
        self.steps = []
        self.rows = []

    def log_metrics(self, metrics, step):
        recorded = len(read_checkpoints(self.directory.checkpoints_file))
        self.steps.append((step, recorded))
        self.rows.append(metrics)

    def close(self):
        pass


@pytest.fixture
def notes(tmp_path):
    return Notes(RunDirectory(tmp_path))


@pytest.fixture
def run(tmp_path, notes):
    return Run(directory=RunDirectory(tmp_path), sinks=MetricSinks((notes,)))


async def later(event, **metrics):
    await event.wait()
    return metrics


async def now(**metrics):
    return metrics


def test_a_slow_measurement_holds_its_row_and_those_after_it_but_no_step(run, notes):
    async def scenario():
        measured = asyncio.Event()
        async with task_group() as tasks:
            recorder = Recorder(run, tasks)
            recorder.open_row(1)
            recorder.add_result(now(a=1.0))
            recorder.add(later(measured, test=9.0))
            for step in (2, 3):
                recorder.open_row(step)
                recorder.add_result(now(a=float(step)))
            await recorder.wait_for_room(0)  # all steps are back
            assert notes.steps == []
            measured.set()
            await recorder.settle()
            assert [step for step, _ in notes.steps] == [1, 2, 3]

    asyncio.run(scenario())
    assert notes.rows[0]["test"] == 9.0
    assert "test" not in notes.rows[1]


def test_room_is_made_by_waiting_for_the_oldest_step(run):
    async def scenario():
        back = [asyncio.Event() for _ in range(3)]
        async with task_group() as tasks:
            recorder = Recorder(run, tasks)
            for number, event in enumerate(back):
                recorder.open_row(number)
                recorder.add_result(later(event))
            waiting = tasks.create_task(recorder.wait_for_room(1))
            for event in back[:2]:
                for _ in range(20):  # turns of the event loop
                    await asyncio.sleep(0)
                assert not waiting.done()
                event.set()
            await waiting  # two of three are back: one is on its way
            back[2].set()

    asyncio.run(scenario())


def test_a_checkpoint_is_recorded_after_the_rows_of_the_steps_in_it(run, notes, tmp_path):
    training = BigramService(tmp_path / "e").create_lora_training_client("double").result()

    async def scenario():
        async with task_group() as tasks:
            recorder = Recorder(run, tasks)
            slow = asyncio.Event()
            record = CheckpointRecord(name="2", progress=Progress(step=2))
            recorder.open_row(1)
            recorder.add_result(later(slow))
            recorder.open_row(2)
            recorder.add_checkpoint(submit_checkpoint(training, record))
            recorder.add_result(now())
            recorder.open_row(3)
            recorder.add_result(now())
            recorder.close_row()
            await asyncio.sleep(0.01)
            assert read_checkpoints(run.directory.checkpoints_file) == []
            slow.set()

    asyncio.run(scenario())
    assert notes.steps == [(1, 0), (2, 0), (3, 1)]


def test_an_error_comes_out_as_itself_and_ends_what_was_on_its_way(run):
    async def failing():
        raise KeyError("the engine is gone")

    async def scenario():
        async with task_group() as tasks:
            recorder = Recorder(run, tasks)
            recorder.open_row(1)
            recorder.add_result(failing())
            recorder.open_row(2)
            recorder.add_result(later(asyncio.Event()))
            await recorder.settle()

    with pytest.raises(KeyError, match="the engine is gone"):
        asyncio.run(scenario())


def test_tokens_per_second_are_the_steps_tokens_in_its_time(run, notes):
    async def scenario():
        async with task_group() as tasks:
            recorder = Recorder(run, tasks)
            recorder.open_row(1)
            recorder.add_result(now(num_tokens=50.0))
            recorder.close_row()

    asyncio.run(scenario())
    row = notes.rows[0]
    assert row["tokens_per_second"] * row["time/step"] == pytest.approx(50.0)


def test_nothing_is_added_without_an_open_row(run):
    async def scenario():
        async with task_group() as tasks:
            recorder = Recorder(run, tasks)
            recorder.open_row(1)
            recorder.close_row()
            with pytest.raises(RuntimeError, match="no row is open"):
                recorder.add_checkpoint(None)

    asyncio.run(scenario())


@pytest.mark.parametrize("name", ["train/nll", "learning_rate", "time/step", "tokens_per_second"])
def test_an_evaluation_cannot_replace_a_metric_of_its_step(run, notes, name):
    async def scenario():
        async with task_group() as tasks:
            recorder = Recorder(run, tasks)
            recorder.open_row(1)
            result = now(**{"train/nll": 2.0, "num_tokens": 8})
            recorder.add_result(result, {"learning_rate": 1e-4})
            recorder.add(now(**{name: -5.0}))
            recorder.close_row()

    with pytest.raises(ConfigError, match=f"step 1: two metrics are called '{name}'"):
        asyncio.run(scenario())
    assert notes.rows == []
