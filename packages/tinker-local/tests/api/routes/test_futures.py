"""Polls for outcomes, on the echo backend."""

from __future__ import annotations

import asyncio
import time

from api_calls import optim_step, outcome, post, sample

from tinker_local.api.routes import futures, samplers
from tinker_local.service.service import Settings, make_service


def test_a_poll_is_held_and_then_asks_to_try_again(http, model, monkeypatch):
    monkeypatch.setattr(futures, "HOLD_S", 0.05)
    waiting = optim_step(http, model, 2)
    began = time.monotonic()
    answer = outcome(http, waiting)
    assert answer.status_code == 408
    assert answer.json()["type"] == "try_again"
    assert time.monotonic() - began >= 0.05
    optim_step(http, model, 1)
    assert outcome(http, waiting).status_code == 200


def test_an_unknown_request_is_not_found_but_an_unknown_sample_is_gone(http):
    """After a restart: the SDK samples again on 410, and gives up on 404."""
    assert post(http, "/retrieve_future", request_id="optim_step-abc").status_code == 404
    assert post(http, "/retrieve_future", request_id="sample-abc").status_code == 410


def test_samples_are_reported_to_the_poller_of_their_clone(http, sampler):
    clone = 7 * samplers.CLONE
    mine, other = sample(http, sampler, 0), sample(http, sampler, clone)
    failed = sample(http, sampler, 1, token=666)

    def poll(copy, cursor=0, **fields):
        target = {"sampling_session_id": sampler, "cloned_sampler_id": copy}
        return post(http, "/retrieve_futures", target=target, prev_cursor=cursor, **fields).json()

    for answer in (mine, failed):
        outcome(http, answer)
    first = poll(0, timeout=0)
    assert {row["request_id"]: row["state"] for row in first["completions"]} == {
        mine.json()["request_id"]: "finished",
        failed.json()["request_id"]: "failed",
    }
    acknowledged = [row["request_id"] for row in first["completions"]]
    then = poll(0, first["cursor"], timeout=0, retrieved_request_ids=acknowledged)
    assert then["completions"] == []
    assert outcome(http, mine).status_code == 410
    assert [row["request_id"] for row in poll(7)["completions"]] == [other.json()["request_id"]]


def test_a_sample_can_be_cancelled_and_a_training_step_cannot(http, sampler, model):
    prompt = {"chunks": [{"tokens": [5]}]}
    endless = post(
        http,
        "/asample",
        sampling_session_id=sampler,
        seq_id=0,
        prompt=prompt,
        sampling_params={"max_tokens": 10**9},
    )
    assert post(http, "/cancel_future", **endless.json()).status_code == 200
    assert outcome(http, endless).json() == {"error": "cancelled", "category": "user"}
    training = optim_step(http, model, 2)  # waits for the first
    post(http, "/cancel_future", request_id=training.json()["request_id"])
    optim_step(http, model, 1)
    assert outcome(http, training).json()["metrics"]["weight"] == 2.0


def test_pending_requests_fail_when_the_server_stops(backend, tmp_path):
    service = make_service(Settings(home=tmp_path), backend)

    async def scenario():
        await service.start()
        never = service.futures.open("sample", 1, asyncio.Event().wait)
        waiting = asyncio.create_task(service.futures.wait(never, 60))
        await asyncio.sleep(0)
        await service.stop()
        return await waiting

    assert "shutting down" in str(asyncio.run(scenario()))
