"""The state of a training loop: what is due between two steps, and what is written down when."""

import asyncio
from itertools import count
from pathlib import Path

import pytest
from attrs import evolve, frozen

from tinker_core import ConfigError, EngineError, next_token_datum
from tinker_core.testing import BigramService
from tinker_train import (
    Adam,
    CheckpointRecord,
    Checkpoints,
    Constant,
    Evaluation,
    Every,
    Linear,
    MetricSinks,
    Never,
    Progress,
    Run,
    RunConfig,
    RunDirectory,
    adam_params,
    loop_state,
    read_checkpoints,
    read_metrics,
    submit_step,
)
from tinker_train.metrics.sink import JsonlSink


@pytest.fixture
def run(tmp_path):
    directory = RunDirectory(tmp_path)
    return Run(directory=directory, sinks=MetricSinks((JsonlSink(directory.metrics_file),)))


@pytest.fixture
def training(tmp_path):
    return BigramService(tmp_path / "engine").create_lora_training_client("double").result()


def config(**fields):
    settings = {
        "model": "double",
        "run_dir": Path("run"),
        "schedule": Constant(),
        "checkpoints": Checkpoints(every=Every(steps=6)),
        "evaluation": Evaluation(every=Every(steps=5)),
    }
    return RunConfig(**{**settings, **fields})


async def metrics(**values):
    return values


async def later(event, **values):
    await event.wait()
    return values


def resumed_at(run, step, *, final=False):
    record = CheckpointRecord(
        name=str(step),
        progress=Progress(step=step, tokens=10 * step, seconds=100.0),
        position={"batch": step},
        final=final,
    )
    return evolve(run, resumed=record)


async def steps(loop, batches):
    """Advance one step for each batch until the end; the batches come back."""
    done = []
    for batch in loop.until_end(batches):
        loop.advance(metrics(loss=float(batch)), tokens=10, position={"batch": batch})
        done.append(batch)
        await loop.wait_for_room(0)
    return done


@frozen(kw_only=True)
class Boundary:
    """A step boundary of a run of 99 steps, unless `total` says otherwise."""

    resumed: int | None = None
    """Step of the checkpoint that the loop continues after."""
    jumps: tuple[int, ...] = ()
    """Steps of each advance since then."""
    total: int = 99
    stopped: bool = False


@pytest.mark.parametrize(
    ("at", "evaluated", "saved"),
    [
        (Boundary(), True, False),  # before the first step
        (Boundary(resumed=0), False, False),  # a checkpoint of no steps was resumed
        (Boundary(resumed=4), False, False),  # evaluated and saved before the interruption
        (Boundary(stopped=True), False, False),  # stopped before anything happened
        (Boundary(jumps=(3, 1)), False, False),
        (Boundary(jumps=(4, 1)), True, False),  # every 5 steps there is an evaluation
        (Boundary(jumps=(5, 1)), False, True),  # every 6 a checkpoint
        (Boundary(jumps=(4, 3)), True, True),  # several steps at once pass both
        (Boundary(resumed=4, jumps=(1,)), True, False),  # the first step after a resume
        (Boundary(jumps=(6, 1), total=7), True, True),  # the end, whatever the cadence
        (Boundary(jumps=(6, 1), stopped=True), False, True),  # saved for a resume, evaluated later
    ],
)
def test_what_is_due_at_a_step_boundary(run, training, at, evaluated, saved):
    async def scenario(run):
        async with loop_state(run, training, config(), total_steps=at.total) as loop:
            for steps in at.jumps:
                loop.advance(metrics(), tokens=0, position={}, steps=steps)
            if at.stopped:
                run.stop.reason = "SIGINT"
            assert loop.evaluation_due() is evaluated
            assert loop.checkpoint_due() is saved

    asyncio.run(scenario(run if at.resumed is None else resumed_at(run, at.resumed)))


def test_the_evaluations_at_both_ends_can_be_left_out(run, training):
    evaluation = Evaluation(every=Every(steps=5), at_start=False, at_end=False)

    async def scenario():
        async with loop_state(run, training, config(evaluation=evaluation), total_steps=7) as loop:
            assert not loop.evaluation_due()
            loop.advance(metrics(), tokens=0, position={}, steps=6)
            loop.advance(metrics(), tokens=0, position={})
            assert not loop.evaluation_due()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("total", "batches", "done"),
    [(3, count(), [0, 1, 2]), (None, range(2), [0, 1]), (9, range(2), [0, 1])],
    ids=["as many steps as the run has", "an unknown length", "data that ends early"],
)
def test_batches_come_until_the_run_has_its_steps_or_the_data_ends(
    run, training, total, batches, done
):
    async def scenario():
        async with loop_state(run, training, config(), total_steps=total) as loop:
            assert await steps(loop, batches) == done
        return loop.result()

    result = asyncio.run(scenario())
    assert (result.step, result.end) == (len(done), "complete")


def test_the_next_batch_is_fetched_when_a_loop_asks_what_is_due_and_not_before(run, training):
    fetched = []

    def batches():
        for number in range(3):
            fetched.append(number)
            yield number

    async def scenario():
        async with loop_state(run, training, config(), total_steps=None) as loop:
            assert loop.evaluation_due()
            assert fetched == []
            for batch in loop.until_end(batches()):
                assert fetched == list(range(batch + 1))
                loop.advance(metrics(), tokens=0, position={})
                assert loop.checkpoint_due() is (batch == 2)  # the end, found by looking ahead
                assert fetched == list(range(min(batch + 2, 3)))

    asyncio.run(scenario())


def test_no_batch_is_fetched_after_the_last_step(run, training):
    def batches():
        yield 0
        raise AssertionError("one batch too many")

    async def scenario():
        async with loop_state(run, training, config(), total_steps=1) as loop:
            assert await steps(loop, batches()) == [0]

    asyncio.run(scenario())


def test_a_stop_request_ends_the_loop_at_the_next_step_boundary(run, training):
    async def scenario():
        async with loop_state(run, training, config(), total_steps=9) as loop:
            for batch in loop.until_end(count()):
                loop.advance(metrics(), tokens=0, position={"batch": batch})
                if loop.step == 2:
                    run.stop.reason = "SIGTERM"
                if loop.checkpoint_due():
                    loop.save()
        return loop.result()

    result = asyncio.run(scenario())
    assert (result.step, result.end) == (2, "stopped")
    (record,) = read_checkpoints(run.directory.checkpoints_file)
    assert (record.step, record.final) == (2, False)
    assert result.sampler_path == record.sampler_path is not None


def test_a_stop_request_at_the_last_step_changes_nothing(run, training):
    async def scenario():
        async with loop_state(run, training, config(), total_steps=2) as loop:
            for _ in loop.until_end(count()):
                loop.advance(metrics(), tokens=0, position={})
                if loop.step == 2:
                    run.stop.reason = "SIGTERM"
        return loop.result()

    assert asyncio.run(scenario()).end == "complete"


def test_a_loop_that_is_left_before_its_end_is_stopped(run, training):
    async def scenario():
        async with loop_state(run, training, config(), total_steps=9) as loop:
            for _ in loop.until_end(count()):
                loop.advance(metrics(), tokens=0, position={})
                break
        return loop.result()

    assert asyncio.run(scenario()).end == "stopped"


@pytest.mark.parametrize("total", [9, None])
def test_a_complete_run_is_not_continued(run, training, total):
    """One that early stopping ended has steps and data left."""
    run = resumed_at(run, 4, final=True)

    async def scenario():
        async with loop_state(run, training, config(), total_steps=total) as loop:
            assert not loop.evaluation_due()
            assert not loop.checkpoint_due()
            assert await steps(loop, count()) == []
        return loop.result()

    assert asyncio.run(scenario()).end == "complete"
    assert training.calls == []


def test_a_resumed_loop_continues_its_counts(run, training):
    run = resumed_at(run, 4)

    async def scenario():
        async with loop_state(run, training, config(), total_steps=6) as loop:
            assert loop.position == {"batch": 4}
            assert await steps(loop, range(5, 99)) == [5, 6]
            assert loop.progress.tokens == 60
            assert loop.progress.seconds >= 100.0
            assert loop.position == {"batch": 6}

    asyncio.run(scenario())


def test_a_row_holds_the_result_and_the_evaluations_of_its_step(run, training):
    slow = asyncio.Event()

    async def scenario():
        async with loop_state(run, training, config(), total_steps=2) as loop:
            loop.record(metrics(test=9.0))
            for batch in loop.until_end(count()):
                loop.extra_metrics["time/loss"] = 0.5
                loop.advance(metrics(loss=float(batch)), tokens=0, position={})
                if loop.step == 1:
                    loop.record(later(slow, test=8.0), metrics(kl=0.25))
                await loop.wait_for_room(0)
            assert run.directory.metrics_file.exists()
            assert [row["step"] for row in read_metrics(run.directory.metrics_file)] == [0]
            slow.set()

    asyncio.run(scenario())
    before, first, second = read_metrics(run.directory.metrics_file)
    assert before == {"step": 0, "test": 9.0}
    assert (first["step"], first["loss"], first["test"], first["kl"]) == (1, 0.0, 8.0, 0.25)
    assert (second["step"], second["loss"], second["time/loss"]) == (2, 1.0, 0.5)
    assert "test" not in second
    assert {"time/data", "time/step", "learning_rate"} <= second.keys()


@pytest.mark.parametrize("save_first", [True, False])
def test_a_checkpoint_is_recorded_after_the_row_with_the_evaluations_of_its_step(
    run, training, save_first
):
    slow = asyncio.Event()

    async def scenario():
        async with loop_state(run, training, config(), total_steps=2) as loop:
            for _ in loop.until_end(count()):
                loop.advance(metrics(loss=1.0), tokens=0, position={})
                if loop.step == 1 and save_first:
                    loop.save()
                    loop.record(later(slow, test=8.0))
                elif loop.step == 1:
                    loop.record(later(slow, test=8.0))
                    loop.save()
                await loop.wait_for_room(0)
            await asyncio.sleep(0.01)
            assert read_checkpoints(run.directory.checkpoints_file) == []
            slow.set()

    asyncio.run(scenario())
    assert [row.get("test") for row in read_metrics(run.directory.metrics_file)] == [8.0, None]
    assert [r.step for r in read_checkpoints(run.directory.checkpoints_file)] == [1]


class Saves:
    """A training client that notes how long its saves are kept."""

    def __init__(self, inner):
        self.inner, self.kept = inner, []

    def save_state(self, name, ttl_seconds, user_metadata):
        self.kept.append((name, ttl_seconds))
        return self.inner.save_state(name, ttl_seconds=ttl_seconds)

    def save_weights_for_sampler(self, name, ttl_seconds, user_metadata):
        self.kept.append((name, ttl_seconds))
        return self.inner.save_weights_for_sampler(name, ttl_seconds=ttl_seconds)


def test_checkpoints_expire_but_not_the_last_one(run, training):
    client = Saves(training)
    checkpoints = Checkpoints(every=Every(steps=1), ttl_seconds=60)

    async def scenario():
        async with loop_state(run, client, config(checkpoints=checkpoints), total_steps=2) as loop:
            for _ in loop.until_end(count()):
                loop.advance(metrics(), tokens=0, position={})
                loop.save()

    asyncio.run(scenario())
    assert client.kept == [("000001", 60)] * 2 + [("000002", None)] * 2


def test_the_checkpoint_of_a_stopped_run_does_not_expire(run, training):
    client = Saves(training)
    run.stop.reason = "SIGINT"
    checkpoints = Checkpoints(every=Never(), ttl_seconds=60)

    async def scenario():
        async with loop_state(run, client, config(checkpoints=checkpoints), total_steps=9) as loop:
            loop.advance(metrics(), tokens=0, position={})
            assert loop.checkpoint_due()
            loop.save()

    asyncio.run(scenario())
    assert {seconds for _, seconds in client.kept} == {None}


def test_early_stopping_ends_the_loop_as_complete(run, training):
    evaluation = Evaluation(every=Every(steps=1), patience=2, metric="test")
    values = [3.0, 2.0, 2.5, 2.1, 1.0]

    async def scenario():
        async with loop_state(run, training, config(evaluation=evaluation), total_steps=99) as loop:
            for batch in loop.until_end(count()):
                loop.advance(metrics(), tokens=0, position={"batch": batch})
                if loop.evaluation_due():
                    loop.record(metrics(test=values[batch]))
                    await loop.stop_early()
                if loop.checkpoint_due():
                    loop.save()
        return loop.result()

    result = asyncio.run(scenario())
    assert (result.step, result.end) == (4, "complete")
    assert [row["test"] for row in read_metrics(run.directory.metrics_file)] == values[:4]
    (record,) = read_checkpoints(run.directory.checkpoints_file)
    assert (record.step, record.final, dict(record.position)) == (4, True, {"batch": 3})


def test_the_optimizer_settings_follow_the_schedule_also_for_steps_ahead(run, training):
    settings = config(adam=Adam(learning_rate=1.0), schedule=Linear())

    async def scenario():
        async with loop_state(run, training, settings, total_steps=5) as loop:
            assert [loop.adam_params(i).learning_rate for i in range(5)] == [1, 0.75, 0.5, 0.25, 0]
            loop.advance(metrics(), tokens=0, position={}, steps=3)
            assert loop.adam_params().learning_rate == 0.25

    asyncio.run(scenario())
    (row,) = read_metrics(run.directory.metrics_file)
    assert (row["step"], row["learning_rate"]) == (3, 1.0)  # of the first of the three


def test_a_schedule_that_does_not_fit_fails_before_the_first_step(run, training):
    async def scenario():
        settings = config(schedule=Linear())
        async with loop_state(run, training, settings, total_steps=None):
            raise AssertionError("not reached")

    with pytest.raises(ConfigError, match="set max_steps"):
        asyncio.run(scenario())


def test_a_step_that_fails_ends_the_loop_with_its_error(run, training):
    async def fail():
        raise EngineError("forward_backward of step 1: out of memory")

    async def scenario():
        async with loop_state(run, training, config(), total_steps=9) as loop:
            for _ in loop.until_end(count()):
                loop.advance(fail(), tokens=0, position={})
                await loop.wait_for_room(0)

    with pytest.raises(EngineError, match="out of memory"):
        asyncio.run(scenario())
    assert not run.directory.metrics_file.exists()


def test_an_error_in_the_loop_leaves_no_coroutine_behind(run, training):
    """Python warns of a coroutine that is never awaited, and a warning is an error here."""

    async def scenario():
        async with loop_state(run, training, config(), total_steps=9) as loop:
            for _ in loop.until_end(count()):
                loop.advance(metrics(), tokens=0, position={})
                loop.record(metrics(test=1.0))
                raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        asyncio.run(scenario())


def test_a_save_holds_the_steps_that_were_submitted_before_it(run, tmp_path):
    service = BigramService(tmp_path / "engine")
    training = service.create_lora_training_client("double").result()
    datum = next_token_datum([1, 2, 3], weights=[0, 1, 1])

    async def scenario():
        checkpoints = Checkpoints(every=Every(steps=2))
        async with loop_state(
            run, training, config(checkpoints=checkpoints), total_steps=5
        ) as loop:
            for _ in loop.until_end(count()):
                submit_step(training, [datum], adam_params(Adam()))
                loop.advance(metrics(), tokens=0, position={})
                if loop.checkpoint_due():
                    loop.save()

    asyncio.run(scenario())
    records = read_checkpoints(run.directory.checkpoints_file)
    assert [(r.step, r.final) for r in records] == [(2, False), (4, False), (5, True)]
    for record in records:
        client = service.create_training_client_from_state_with_optimizer(record.state_path)
        assert client.result().model.step == record.step  # AdamW counts its steps
