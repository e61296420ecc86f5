"""Sessions that end, on the echo backend."""

from __future__ import annotations

import time

from api_calls import TINY, optim_step, outcome, post, sample
from starlette.testclient import TestClient

from tinker_local.server import make_app
from tinker_local.service.service import Settings, make_service


def test_a_finished_session_stops_its_heartbeats_and_frees_what_it_owned(
    http, session, model, sampler, service
):
    outcome(http, sample(http, sampler, 0))
    assert post(http, "/session_heartbeat", session_id=session).status_code == 200
    finish = post(http, f"/sessions/{session}/finish", reason={"type": "success"})
    assert finish.status_code == 204
    assert post(http, "/session_heartbeat", session_id=session).status_code == 410
    gone = optim_step(http, model, 1)
    assert gone.status_code == 404
    assert "finished by its client" in gone.json()["detail"]
    engine = service.models
    assert http.portal.call(
        service.worker.call, lambda: (len(engine.runs), len(engine.sources))
    ) == (0, 0)


def test_a_session_that_times_out_frees_its_memory(backend, tmp_path):
    service = make_service(Settings(home=tmp_path, session_timeout_s=0.2), backend)
    with TestClient(make_app(service), base_url="http://127.0.0.1/api/v1") as http:
        session = post(http, "/create_session").json()["session_id"]
        answer = post(http, "/create_model", session_id=session, model_seq_id=0, base_model=TINY)
        model = outcome(http, answer).json()["model_id"]
        stuck = optim_step(http, model, 2)
        deadline = time.monotonic() + 10
        while service.models.runs and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not service.models.runs
        assert "no heartbeat" in optim_step(http, model, 1).json()["detail"]
        assert "session has ended" in outcome(http, stuck).json()["error"]
