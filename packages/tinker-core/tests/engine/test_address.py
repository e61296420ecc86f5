"""Finding an engine's address."""

import os
import socket

import pytest
from attrs import define

from tinker_core import EngineError
from tinker_core.engine.address import find_engine

PROXIES = [f"{kind}_PROXY" for kind in ("HTTP", "HTTPS", "ALL", "NO")]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in ["TINKER_BASE_URL", "TINKER_API_KEY", *PROXIES, *map(str.lower, PROXIES)]:
        monkeypatch.delenv(name, raising=False)


@define
class LocalEngine:
    """What an entry point of the group `tinker.engines` starts."""

    base_url: str = "http://127.0.0.1:9"
    api_key: str = "tml-random"
    closed: bool = False
    name: str = "double"

    def load(self):
        return lambda home: self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed = True


@pytest.fixture
def installed(monkeypatch):
    """Say which local engines are installed."""

    def install(*engines):
        monkeypatch.setattr("tinker_core.engine.local_engine.entry_points", lambda group: engines)

    return install


def test_without_anything_the_error_names_the_three_ways(installed):
    installed()
    with pytest.raises(EngineError) as caught, find_engine():
        pass
    for way in ("TINKER_API_KEY", "TINKER_BASE_URL", "tinker-local"):
        assert way in str(caught.value)


def test_a_key_alone_means_the_hosted_service_whose_address_the_sdk_knows(monkeypatch):
    monkeypatch.setenv("TINKER_API_KEY", "tml-mine")
    with find_engine() as found:
        assert (found.base_url, found.api_key, found.kind) == (None, "tml-mine", "hosted")
    assert "tml-mine" not in repr(found)


def test_an_address_goes_before_a_key_and_needs_none(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("TINKER_BASE_URL", address)
        with find_engine() as found:
            assert (found.base_url, found.kind) == (address, "base_url")
            assert found.api_key.startswith("tml-")
        monkeypatch.setenv("TINKER_API_KEY", "tml-secret")
        with find_engine() as found:
            assert found.kind == "base_url"
            assert address in found.description
            assert "tml-secret" not in found.description


def test_the_local_engine_is_started_and_ended_with_the_block(installed):
    engine = LocalEngine()
    installed(engine)
    with find_engine() as found:
        assert (found.base_url, found.api_key, found.kind) == (
            engine.base_url, engine.api_key, "local",
        )  # fmt: skip
        assert found.description == (
            "local engine 'double' at http://127.0.0.1:9, started for this run"
        )
        assert not engine.closed
    assert engine.closed


def test_the_local_engine_is_ended_when_the_block_fails(installed):
    engine = LocalEngine()
    installed(engine)
    with pytest.raises(KeyError), find_engine():
        raise KeyError
    assert engine.closed


def test_a_local_engine_that_does_not_start_is_an_engine_error_with_its_text(installed):
    @define
    class Broken(LocalEngine):
        def load(self):
            raise OSError("no space left on device")

    installed(Broken())
    with pytest.raises(EngineError, match="'double' did not start: no space left"), find_engine():
        pass


def test_a_proxy_is_kept_off_loopback_inside_the_block(installed, monkeypatch):
    installed(LocalEngine())
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "internal.example")
    with find_engine():
        assert os.environ["NO_PROXY"].split(",") == [
            "internal.example",
            "127.0.0.1",
            "localhost",
            "::1",
        ]
        assert "127.0.0.1" in os.environ["no_proxy"]
    assert os.environ["NO_PROXY"] == "internal.example"
    assert "no_proxy" not in os.environ


def test_without_a_proxy_the_environment_is_left_alone(installed):
    installed(LocalEngine())
    before = dict(os.environ)
    with find_engine():
        assert dict(os.environ) == before


@pytest.mark.parametrize(
    "address", ["ftp://127.0.0.1", "127.0.0.1:80", "localhost:8000", "http://"]
)
def test_what_is_no_http_address_is_refused(monkeypatch, address):
    monkeypatch.setenv("TINKER_BASE_URL", address)
    with pytest.raises(EngineError, match="is not an http address"), find_engine():
        pass


def test_an_address_where_nothing_listens_is_refused_at_once(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("TINKER_BASE_URL", f"http://127.0.0.1:{port}")
    with pytest.raises(EngineError, match=rf"nothing answers at .*{port}"), find_engine():
        pass
