"""The routes as a client sees them that is not the SDK, on the echo compute side."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest
from starlette.testclient import TestClient

from tinker_local.api import auth
from tinker_local.api import http as doors
from tinker_local.api.protobuf_schema import MESSAGES
from tinker_local.api.routes import sampling as routes_sampling
from tinker_local.server import make_app
from tinker_local.service.service import Settings, make_service

TINY = "local/tiny"


def post(http, path, **body):
    return http.post(path, json=body)


def result(http, answer):
    """The outcome of an accepted request."""
    assert answer.status_code == 200, answer.text
    return post(http, "/retrieve_future", request_id=answer.json()["request_id"])


@pytest.fixture
def session(http):
    return post(http, "/create_session", tags=[], sdk_version="0.38.0").json()["session_id"]


@pytest.fixture
def model(http, session):
    answer = post(http, "/create_model", session_id=session, model_seq_id=0, base_model=TINY)
    return result(http, answer).json()["model_id"]


@pytest.fixture
def sampler(http, session):
    answer = post(
        http,
        "/create_sampling_session",
        session_id=session,
        sampling_session_seq_id=0,
        base_model=TINY,
    )
    return answer.json()["sampling_session_id"]


def step(http, model, number, rate=1.0):
    adam = {"learning_rate": rate}
    return post(http, "/optim_step", model_id=model, seq_id=number, adam_params=adam)


def sample(http, sampler, number, token=5, **fields):
    prompt = {"chunks": [{"type": "encoded_text", "tokens": [token]}]}
    return post(
        http,
        "/asample",
        sampling_session_id=sampler,
        seq_id=number,
        prompt=prompt,
        sampling_params={"max_tokens": 3},
        **fields,
    )


def loss(http, model, number, loss_fn="cross_entropy"):
    message = MESSAGES["ForwardBackwardRequest"](model_id=model, seq_id=number, loss_fn=loss_fn)
    datum = message.data.add()
    datum.model_input.add().encoded_text.tokens = np.array([1, 2], np.int32).tobytes()
    datum.loss_fn_inputs["target_tokens"].dense = np.array([2, 3], np.int64).tobytes()
    datum.loss_fn_inputs["target_tokens"].dtype = 2
    return http.post(
        "/forward_backward",
        content=message.SerializeToString(),
        headers={"content-type": "application/x-protobuf"},
    )


def test_a_submission_that_is_repeated_is_one_operation(http, model, compute):
    first, again = step(http, model, 1), step(http, model, 1)
    assert first.json()["request_id"] == again.json()["request_id"]
    assert result(http, first).json() == result(http, again).json()
    assert compute.events.count("step") == 1


def test_a_sample_that_is_submitted_twice_keeps_its_ids(http, sampler):
    first, again = sample(http, sampler, 0, num_samples=2), sample(http, sampler, 0, num_samples=2)
    assert first.json() == again.json()
    assert len(set(first.json()["sample_sequence_ids"])) == 2


def test_operations_wait_for_the_ones_before_them(http, model, compute):
    answers = [
        loss(http, model, 2),
        step(http, model, 3),
        step(http, model, 1),
        step(http, model, 4),
    ]
    for answer in answers:
        assert result(http, answer).status_code == 200
    assert [event for event in compute.events if event in ("step", "loss 1")] == [
        "step",
        "loss 1",
        "step",
        "step",
    ]


def test_a_wrong_operation_takes_its_place_in_the_order(http, model):
    wrong = post(http, "/optim_step", model_id=model, seq_id=1, adam_params={"beta1": "x"})
    right = step(http, model, 2)
    refused = result(http, wrong)
    assert refused.status_code == 200
    assert refused.json()["category"] == "user"
    assert "beta1" in refused.json()["error"]
    assert result(http, right).json()["metrics"]["weight"] == 1.0


def test_a_bug_in_the_compute_side_is_the_servers_fault_and_the_worker_goes_on(http, model, caplog):
    failed = result(http, loss(http, model, 1, "bug"))
    assert (failed.status_code, failed.json()["category"]) == (200, "server")
    assert "a bug in the compute side" in caplog.text
    assert result(http, step(http, model, 2)).json()["metrics"]["weight"] == 1.0


def test_a_metric_that_is_no_number_is_still_json(http, model):
    assert result(http, step(http, model, 1)).json()["metrics"]["bad"] == "nan"


def test_a_poll_is_held_and_then_asks_to_try_again(http, model, monkeypatch):
    monkeypatch.setattr(routes_sampling, "HOLD_S", 0.05)
    waiting = step(http, model, 2)
    began = time.monotonic()
    answer = result(http, waiting)
    assert answer.status_code == 408
    assert answer.json()["type"] == "try_again"
    assert time.monotonic() - began >= 0.05
    step(http, model, 1)
    assert result(http, waiting).status_code == 200


def test_an_unknown_request_is_not_found_but_an_unknown_sample_is_gone(http):
    """After a restart: the SDK samples again on 410, and gives up on 404."""
    assert post(http, "/retrieve_future", request_id="optim_step-abc").status_code == 404
    assert post(http, "/retrieve_future", request_id="sample-abc").status_code == 410


def test_a_finished_session_stops_its_heartbeats_and_frees_what_it_owned(
    http, session, model, sampler, service
):
    result(http, sample(http, sampler, 0))
    assert post(http, "/session_heartbeat", session_id=session).status_code == 200
    finish = post(http, f"/sessions/{session}/finish", reason={"type": "success"})
    assert finish.status_code == 204
    assert post(http, "/session_heartbeat", session_id=session).status_code == 410
    gone = step(http, model, 1)
    assert gone.status_code == 404
    assert "finished by its client" in gone.json()["detail"]
    engine = service.engine
    assert http.portal.call(
        service.scheduler.call, lambda: (len(engine.runs), len(engine.sources))
    ) == (0, 0)


def test_a_client_that_dies_is_forgotten_and_its_memory_freed(compute, tmp_path):
    service = make_service(Settings(home=tmp_path, session_timeout_s=0.2), compute)
    with TestClient(make_app(service), base_url="http://127.0.0.1/api/v1") as http:
        session = post(http, "/create_session").json()["session_id"]
        answer = post(http, "/create_model", session_id=session, model_seq_id=0, base_model=TINY)
        model = result(http, answer).json()["model_id"]
        stuck = step(http, model, 2)
        deadline = time.monotonic() + 10
        while service.engine.runs and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not service.engine.runs
        assert "no heartbeat" in step(http, model, 1).json()["detail"]
        assert "session has ended" in result(http, stuck).json()["error"]


def test_samples_are_announced_to_the_poller_of_their_copy(http, sampler):
    clone = 7 * routes_sampling.CLONE
    mine, other = sample(http, sampler, 0), sample(http, sampler, clone)
    failed = sample(http, sampler, 1, token=666)

    def poll(copy, cursor=0, **fields):
        target = {"sampling_session_id": sampler, "cloned_sampler_id": copy}
        return post(http, "/retrieve_futures", target=target, prev_cursor=cursor, **fields).json()

    for answer in (mine, failed):
        result(http, answer)
    first = poll(0, timeout=0)
    assert {row["request_id"]: row["state"] for row in first["completions"]} == {
        mine.json()["request_id"]: "finished",
        failed.json()["request_id"]: "failed",
    }
    acknowledged = [row["request_id"] for row in first["completions"]]
    then = poll(0, first["cursor"], timeout=0, retrieved_request_ids=acknowledged)
    assert then["completions"] == []
    assert result(http, mine).status_code == 410
    assert [row["request_id"] for row in poll(7)["completions"]] == [other.json()["request_id"]]


def test_copies_of_a_sampler_get_numbers_of_their_own(http, sampler):
    numbers = [
        post(http, "/join_sampling_session", sampling_session_id=sampler).json()["client_counter"]
        for _ in range(3)
    ]
    assert numbers == [1, 2, 3]


def test_a_cancelled_sample_is_over_and_a_training_step_is_not(http, sampler, model):
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
    assert result(http, endless).json() == {"error": "cancelled", "category": "user"}
    training = step(http, model, 2)  # waits for the first
    post(http, "/cancel_future", request_id=training.json()["request_id"])
    step(http, model, 1)
    assert result(http, training).json()["metrics"]["weight"] == 2.0


def test_training_and_sampling_share_snapshots_by_time(http, session, model):
    """A snapshot keeps the weights of its moment; the newest inflight weights reach everyone."""

    def save(number, sampler_number, kind):
        answer = post(
            http,
            "/save_weights_for_sampler",
            model_id=model,
            seq_id=number,
            sampling_session_seq_id=sampler_number,
            kind=kind,
        )
        return result(http, answer).json()["sampling_session_id"]

    def weight(sampler, number):
        message = MESSAGES["SampleResponse"]()
        message.ParseFromString(result(http, sample(http, sampler, number)).content)
        return -np.frombuffer(message.sequences[0].logprobs, np.float32)[0]

    step(http, model, 1)
    kept, following = save(2, 0, "snapshot"), save(3, 1, "inflight")
    assert (weight(kept, 0), weight(following, 0)) == (1.0, 1.0)
    step(http, model, 4)
    newer = save(5, 2, "inflight")
    assert (weight(kept, 1), weight(following, 1), weight(newer, 1)) == (1.0, 2.0, 2.0)


def test_old_snapshots_come_back_from_disk(http, model, compute):
    samplers = []
    for index in range(8):
        step(http, model, 2 * index + 1)
        answer = post(
            http,
            "/save_weights_for_sampler",
            model_id=model,
            seq_id=2 * index + 2,
            sampling_session_seq_id=index,
        )
        samplers.append(result(http, answer).json()["sampling_session_id"])
    for index, sampler in enumerate(samplers):
        message = MESSAGES["SampleResponse"]()
        message.ParseFromString(result(http, sample(http, sampler, 0)).content)
        assert -np.frombuffer(message.sequences[0].logprobs, np.float32)[0] == index + 1.0


def test_base_models_that_nobody_uses_make_room(http, session, model, service, tmp_path):
    post(http, f"/sessions/{session}/finish")
    other = tmp_path / "other"
    other.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (other / name).write_text("{}")
    again = post(http, "/create_session").json()["session_id"]
    answer = post(http, "/create_model", session_id=again, model_seq_id=0, base_model=str(other))
    assert "model_id" in result(http, answer).json(), "loaded"
    assert [base.name for base in service.engine.bases.values()] == [str(other)]


def test_with_a_key_nobody_else_comes_in(compute, tmp_path):
    service = make_service(Settings(home=tmp_path, key="tml-secret"), compute)
    with TestClient(make_app(service), base_url="http://127.0.0.1/api/v1") as http:
        for headers in ({}, {"x-api-key": "tml-other"}, {"x-api-key": "eyJ.eyJ.x"}):
            refused = http.post("/create_session", json={}, headers=headers)
            assert refused.status_code == 401
            assert "invalid_token" in refused.headers["www-authenticate"]
        key = {"x-api-key": "tml-secret"}
        token = http.post("/auth/token", json={}, headers=key).json()["jwt"]
        for credential in ("tml-secret", token):
            headers = {"x-api-key": credential}
            assert http.post("/create_session", json={}, headers=headers).status_code == 200
        assert http.get("/healthz").status_code == 200
        assert http.get("/downloads/guess/adapter_config.json").status_code == 404


def test_a_token_runs_out_and_belongs_to_its_key(monkeypatch):
    token = auth.make_token("tml-a")
    assert auth.is_valid_token(token, "tml-a")
    assert not auth.is_valid_token(token, "tml-b")
    assert not auth.is_valid_token(token[:-2] + "xx", "tml-a")
    monkeypatch.setattr(auth, "LIFETIME_S", -1)
    assert not auth.is_valid_token(auth.make_token("tml-a"), "tml-a")


def test_without_a_key_web_pages_stay_out(http):
    refused = http.post("/create_session", json={}, headers={"origin": "https://example.com"})
    assert refused.status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("PATCH", "/create_session", 405), ("GET", "/asample", 405)],
)
def test_what_is_not_served_is_refused_in_json(http, method, path, status):
    refused = http.request(method, path)
    assert refused.status_code == status
    assert path in refused.json()["detail"]


def test_a_body_over_the_limit_is_refused(http, monkeypatch):
    monkeypatch.setattr(doors, "MAX_BODY", 10)
    refused = http.post("/create_session", content=b" " * 11)
    assert refused.status_code == 413
    assert "10 bytes" in refused.json()["detail"]


def test_a_bug_in_a_route_is_a_logged_400_and_never_a_5xx(http, service, caplog):
    service.registry = None
    broken = http.post("/create_session", json={})
    assert broken.status_code == 400
    assert "AttributeError" in broken.json()["detail"]
    assert "Traceback" in caplog.text


def test_json_training_of_old_clients_is_refused_by_name(http, model):
    refused = post(http, "/forward_backward", model_id=model, seq_id=1)
    assert refused.status_code == 400
    assert "0.25" in refused.json()["detail"]


def test_pending_requests_are_answered_when_the_server_ends(compute, tmp_path):
    service = make_service(Settings(home=tmp_path), compute)

    async def scenario():
        await service.start()
        never = service.futures.open("sample", 1, asyncio.Event().wait)
        waiting = asyncio.create_task(service.futures.wait(never, 60))
        await asyncio.sleep(0)
        await service.stop()
        return await waiting

    assert "shutting down" in str(asyncio.run(scenario()))
