"""The order in which the worker computes, on the echo backend."""

from __future__ import annotations

import asyncio
import time
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest

from tinker_local.errors import RequestError
from tinker_local.request_types import SampleRequest
from tinker_local.service import operation_queue
from tinker_local.service.loaded_models import LoadedModels, ModelLocation, SamplerSource
from tinker_local.service.worker import Worker
from tinker_local.storage.checkpoint_store import CheckpointStore
from tinker_local.storage.snapshot_store import SnapshotStore

TINY = ModelLocation(name="tiny", folder=Path("tiny"))


def request(token=5, max_tokens=4):
    return SampleRequest(prompt=np.array([token]), max_tokens=max_tokens)


@pytest.fixture
def run(backend, tmp_path):
    """Run a scenario against a worker that has a model `m` and a sampler `s`."""

    def play(scenario):
        async def stage():
            models = LoadedModels(backend, CheckpointStore(tmp_path), SnapshotStore(tmp_path))
            models.sources["s"] = SamplerSource(model=TINY)
            worker = Worker(models)
            worker.start()
            worker.open_queue("m")
            try:
                return await asyncio.wait_for(scenario(worker), 30)
            finally:
                assert worker.stop(5.0)

        return asyncio.run(stage())

    return play


def test_operations_run_by_number_whatever_order_they_arrive_in(run):
    async def scenario(worker):
        ran = []
        tasks = []
        for number in (2, 3, 1, 4):
            work = worker.run_operation("m", number, lambda number=number: ran.append(number))
            tasks.append(asyncio.create_task(work))
            await asyncio.sleep(0.01)
        await asyncio.gather(*tasks)
        assert ran == [1, 2, 3, 4]

    run(scenario)


def test_a_failing_operation_does_not_hold_up_the_next(run, caplog):
    async def scenario(worker):
        def refuse():
            raise RequestError("bad datum")

        def break_down():
            raise ZeroDivisionError

        with pytest.raises(RequestError, match="bad datum"):
            await worker.run_operation("m", 1, refuse)
        with pytest.raises(RequestError, match="ZeroDivisionError") as broken:
            await worker.run_operation("m", 2, break_down)
        assert broken.value.category == "server"
        assert await worker.run_operation("m", 3, lambda: "fine") == "fine"

    run(scenario)
    assert "Traceback" in caplog.text


def test_a_number_that_has_passed_is_refused_and_not_run_again(run):
    async def scenario(worker):
        await worker.run_operation("m", 1, lambda: None)
        with pytest.raises(RequestError, match="seq_id 1 has passed"):
            await worker.run_operation("m", 1, lambda: None)

    run(scenario)


def test_models_take_turns(run):
    async def scenario(worker):
        worker.open_queue("n")
        ran, tasks = [], []
        gate = asyncio.create_task(worker.call(lambda: time.sleep(0.1)))
        await asyncio.sleep(0.01)
        for model in "mn":
            for number in (1, 2, 3):
                work = worker.run_operation(model, number, lambda model=model: ran.append(model))
                tasks.append(asyncio.create_task(work))
        await asyncio.gather(gate, *tasks)
        assert ran in (list("mnmnmn"), list("nmnmnm"))

    run(scenario)


def test_samples_and_training_share_the_time(run, backend):
    async def scenario(worker):
        def train():
            time.sleep(0.002)
            backend.events.append("train")

        gate = asyncio.create_task(worker.call(lambda: time.sleep(0.1)))
        await asyncio.sleep(0.01)
        tasks = [asyncio.create_task(worker.run_operation("m", n, train)) for n in range(1, 6)]
        tasks.append(asyncio.create_task(worker.sample("s", request(max_tokens=10_000))))
        await asyncio.gather(gate, *tasks)

    run(scenario)
    turns = [name for name, _ in groupby(backend.events) if name in ("train", "decode 1")]
    assert turns[turns.index("train") :] == ["train", "decode 1"] * 5


def test_requests_that_are_open_together_are_decoded_together(run, backend):
    async def scenario(worker):
        gate = asyncio.create_task(worker.call(lambda: time.sleep(0.05)))
        await asyncio.sleep(0.01)
        samples = [worker.sample("s", request(token)) for token in range(1, 9)]
        results = await asyncio.gather(*samples)
        await gate
        assert [int(result.sequences[0].tokens[0]) for result in results] == list(range(1, 9))

    run(scenario)
    assert backend.events.count("decode 8") == 4


def test_a_cancelled_sample_leaves_the_sampler(run, backend):
    async def scenario(worker):
        endless = asyncio.create_task(worker.sample("s", request(max_tokens=10**9)))
        while not (backend.samplers and backend.samplers[0].open):
            await asyncio.sleep(0.001)
        endless.cancel()
        await asyncio.wait([endless])
        while not backend.samplers[0].is_idle:
            await asyncio.sleep(0.001)

    run(scenario)
    assert "cancel" in backend.events


def test_a_sampler_that_breaks_loses_its_requests_but_not_the_worker(run, backend, caplog):
    async def scenario(worker):
        gate = asyncio.create_task(worker.call(lambda: time.sleep(0.05)))
        await asyncio.sleep(0.01)
        unlucky = [worker.sample("s", request(token)) for token in (5, 13)]
        results = await asyncio.gather(*unlucky, return_exceptions=True)
        await gate
        assert [result.category for result in results] == ["server", "server"]
        after = await worker.sample("s", request(5))
        assert after.sequences[0].tokens.tolist() == [5, 5, 5, 5]

    run(scenario)
    assert len(backend.samplers) == 2, "a new one took its place"
    assert "a bug in the sampler" in caplog.text


def test_a_request_that_the_sampler_refuses_is_a_user_error(run):
    async def scenario(worker):
        with pytest.raises(RequestError, match="666") as refused:
            await worker.sample("s", request(666))
        assert refused.value.category == "user"

    run(scenario)


def test_a_closed_model_first_runs_what_is_queued(run):
    async def scenario(worker):
        gate = asyncio.create_task(worker.call(lambda: time.sleep(0.05)))
        await asyncio.sleep(0.01)
        ready = [asyncio.create_task(worker.run_operation("m", n, lambda n=n: n)) for n in (1, 2)]
        stuck = asyncio.create_task(worker.run_operation("m", 4, lambda: 4))
        await asyncio.sleep(0)
        worker.close_queue("m")
        assert await asyncio.gather(gate, *ready) == [None, 1, 2]
        with pytest.raises(RequestError, match="gone"):
            await stuck
        with pytest.raises(RequestError, match="gone"):
            await worker.run_operation("m", 3, lambda: 3)

    run(scenario)


def test_too_many_waiting_operations_are_an_error_that_says_the_limit(run, monkeypatch):
    monkeypatch.setattr(operation_queue, "MAX_QUEUED", 2)

    async def scenario(worker):
        waiting = [asyncio.create_task(worker.run_operation("m", n, int)) for n in (2, 3)]
        await asyncio.sleep(0.01)
        with pytest.raises(RequestError, match="2 operations"):
            await worker.run_operation("m", 4, int)
        await worker.run_operation("m", 1, int)
        await asyncio.gather(*waiting)

    run(scenario)
