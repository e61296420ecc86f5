"""Fixtures: the service on a backend that needs no model, and a real engine in a process."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tinker
from starlette.testclient import TestClient

from tinker_local import LocalEngine, start_engine
from tinker_local.server import make_app
from tinker_local.service.service import Settings, make_service

sys.path.insert(0, str(Path(__file__).parent))  # the modules beside this file
from api_calls import TINY, outcome, post
from echo_backend import EchoBackend
from tiny_models import (  # noqa: F401 - fixtures
    accumulated,
    base,
    datum,
    folder,
    one_thread,
    plain,
    request_of,
    run,
    save_model,
    trained,
    untied,
    with_peft,
)

os.environ["HF_HUB_OFFLINE"] = "1"  # no test reaches a hub
os.environ["TINKER_TELEMETRY"] = "0"  # it holds up every error by a flush


def pytest_configure(config: pytest.Config) -> None:
    """The SDK leaves the sockets of its configuration calls to the garbage collector."""
    config.addinivalue_line("filterwarnings", "ignore:unclosed (transport|<socket):ResourceWarning")


@pytest.fixture
def backend() -> EchoBackend:
    return EchoBackend()


@pytest.fixture
def service(backend, tmp_path):
    return make_service(Settings(home=tmp_path), backend)


@pytest.fixture
def http(service) -> Iterator[TestClient]:
    """The routes on the echo backend, called in this process."""
    with TestClient(make_app(service), base_url="http://127.0.0.1/api/v1") as client:
        yield client


@pytest.fixture
def session(http) -> str:
    return post(http, "/create_session", tags=[], sdk_version="0.38.0").json()["session_id"]


@pytest.fixture
def model(http, session) -> str:
    answer = post(http, "/create_model", session_id=session, model_seq_id=0, base_model=TINY)
    return outcome(http, answer).json()["model_id"]


@pytest.fixture
def sampler(http, session) -> str:
    answer = post(
        http,
        "/create_sampling_session",
        session_id=session,
        sampling_session_seq_id=0,
        base_model=TINY,
    )
    return answer.json()["sampling_session_id"]


@pytest.fixture(scope="session")
def engine(tmp_path_factory) -> Iterator[LocalEngine]:
    """A real server process with the real backend; its model is `local/tiny`."""
    with start_engine(home=tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="session")
def client(engine) -> Iterator[tinker.ServiceClient]:
    """The official SDK, connected to the engine."""
    with tinker.ServiceClient(
        project_id="local", base_url=engine.base_url, api_key=engine.api_key
    ) as connected:
        yield connected
    gc.collect()  # here, where the warnings about those sockets are ignored


@pytest.fixture
def rest(engine) -> tinker.RestClient:
    return tinker.RestClient(base_url=engine.base_url, api_key=engine.api_key)
