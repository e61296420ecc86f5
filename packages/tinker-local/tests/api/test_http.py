"""Replies to requests that no route serves."""

from __future__ import annotations

import pytest

from tinker_local.api import http as api_http


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nowhere", 404), ("PATCH", "/create_session", 405), ("GET", "/asample", 405)],
)
def test_an_unknown_route_is_refused_in_json(http, method, path, status):
    refused = http.request(method, path)
    assert refused.status_code == status
    assert path in refused.json()["detail"]


def test_a_body_over_the_limit_is_refused(http, monkeypatch):
    monkeypatch.setattr(api_http, "MAX_BODY", 10)
    refused = http.post("/create_session", content=b" " * 11)
    assert refused.status_code == 413
    assert "10 bytes" in refused.json()["detail"]


def test_a_bug_in_a_route_is_a_logged_400_and_never_a_5xx(http, service, caplog):
    service.registry = None
    broken = http.post("/create_session", json={})
    assert broken.status_code == 400
    assert "AttributeError" in broken.json()["detail"]
    assert "Traceback" in caplog.text
