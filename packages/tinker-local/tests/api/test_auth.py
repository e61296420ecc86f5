"""Keys, tokens, and requests of web pages."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from tinker_local.api import auth
from tinker_local.server import make_app
from tinker_local.service.service import Settings, make_service


def test_with_a_key_no_other_request_is_admitted(backend, tmp_path):
    service = make_service(Settings(home=tmp_path, key="tml-secret"), backend)
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


def test_a_token_expires_and_is_bound_to_its_key(monkeypatch):
    token = auth.make_token("tml-a")
    assert auth.is_valid_token(token, "tml-a")
    assert not auth.is_valid_token(token, "tml-b")
    assert not auth.is_valid_token(token[:-2] + "xx", "tml-a")
    monkeypatch.setattr(auth, "LIFETIME_S", -1)
    assert not auth.is_valid_token(auth.make_token("tml-a"), "tml-a")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://example.com"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"host": "rebound.example.com"},
        {"host": "rebound.example.com:8765"},
        {"host": "127.0.0.1.example.com"},
        {"host": "localhost@example.com"},
        {"host": ""},
        {"host": "[::"},
    ],
)
@pytest.mark.parametrize("path", ["/sessions", "/healthz", "/downloads/a/b"])
def test_without_a_key_requests_of_web_pages_are_refused(http, headers, path):
    refused = http.get(path, headers=headers)
    assert refused.status_code == 403
    assert "without a key" in refused.json()["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"host": "localhost:8765"},
        {"host": "LOCALHOST"},
        {"host": "[::1]:8765"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "same-origin"},
    ],
)
def test_without_a_key_programs_on_this_machine_are_admitted(http, headers):
    assert http.get("/sessions", headers=headers).status_code == 200


def test_a_configured_host_is_admitted_without_a_key(backend, tmp_path):
    service = make_service(Settings(home=tmp_path, allowed_hosts=("box.local",)), backend)
    with TestClient(make_app(service), base_url="http://127.0.0.1/api/v1") as http:
        assert http.get("/sessions", headers={"host": "box.local:8765"}).status_code == 200
        assert http.get("/sessions", headers={"host": "box.locals"}).status_code == 403


def test_with_a_key_any_host_may_be_addressed(backend, tmp_path):
    service = make_service(Settings(home=tmp_path, key="tml-secret"), backend)
    with TestClient(make_app(service), base_url="http://engine.example.com/api/v1") as http:
        assert http.get("/sessions", headers={"x-api-key": "tml-secret"}).status_code == 200
        assert http.get("/sessions").status_code == 401
