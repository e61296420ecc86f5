"""Finding an engine."""

import os
import socket
from concurrent.futures import Future

import pytest
import tinker
from attrs import define

from tinker_core import EngineError
from tinker_train import connect

PROXIES = [f"{kind}_PROXY" for kind in ("HTTP", "HTTPS", "ALL", "NO")]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in ["TINKER_BASE_URL", "TINKER_API_KEY", *PROXIES, *map(str.lower, PROXIES)]:
        monkeypatch.delenv(name, raising=False)


@define
class Started:
    """Stands in the place of a local engine."""

    base_url: str = "http://127.0.0.1:9"
    api_key: str = "tml-local"
    closed: bool = False
    no_proxy: str | None = None

    def load(self):
        return self.start

    def start(self, *, home):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closed = True


@define
class EntryPoint:
    """What importlib.metadata finds."""

    name: str
    engine: object

    def load(self):
        return self.engine.load()


@pytest.fixture
def installed(monkeypatch):
    """Say which local engines are installed."""

    def install(*engines):
        points = tuple(EntryPoint("double", engine) for engine in engines)
        monkeypatch.setattr("tinker_core.engine.local_engine.entry_points", lambda group: points)

    return install


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_with_nothing_there_one_error_names_all_three_ways(installed):
    installed()
    with pytest.raises(EngineError) as caught, connect():
        pass
    for way in ("TINKER_API_KEY", "TINKER_BASE_URL", "tinker-local"):
        assert way in str(caught.value)


def test_a_local_engine_is_started_and_ended_with_the_block(installed):
    engine = Started()
    installed(engine)
    with connect() as found:
        assert found.kind == "local"
        assert found.description == (
            "local engine 'double' at http://127.0.0.1:9, started for this run"
        )
        assert isinstance(found.service, tinker.ServiceClient)
        assert not engine.closed
    assert engine.closed


def test_a_local_engine_is_ended_when_the_block_fails(installed):
    engine = Started()
    installed(engine)
    with pytest.raises(KeyError), connect():
        raise KeyError
    assert engine.closed


def test_a_local_engine_that_does_not_start_is_an_engine_error_with_its_text(installed):
    @define
    class Broken(Started):
        def start(self, *, home):
            raise OSError("no space left on device")

    installed(Broken())
    with pytest.raises(EngineError, match="'double' did not start: no space left"), connect():
        pass


def test_an_address_goes_before_a_key_and_a_key_before_the_local_engine(
    installed, listening, monkeypatch
):
    installed(Started())
    monkeypatch.setenv("TINKER_API_KEY", "tml-secret")
    with connect() as found:
        assert found.kind == "hosted"
    monkeypatch.setenv("TINKER_BASE_URL", listening)
    with connect() as found:
        assert found.kind == "base_url"
        assert listening in found.description
        assert "tml-secret" not in found.description


def test_an_address_where_nobody_answers_is_an_error_at_once(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setenv("TINKER_BASE_URL", f"http://127.0.0.1:{port}")
    with pytest.raises(EngineError, match=rf"nothing answers at .*{port}"), connect():
        pass


def test_an_address_that_is_none_is_an_error_that_shows_it(monkeypatch):
    monkeypatch.setenv("TINKER_BASE_URL", "localhost:8000")
    with pytest.raises(EngineError, match="'localhost:8000' is not an http address"), connect():
        pass


def test_a_proxy_is_kept_off_loopback_while_the_engine_is_in_use(installed, monkeypatch):
    installed(Started())
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "internal.example")
    with connect():
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
    installed(Started())
    before = dict(os.environ)
    with connect():
        assert dict(os.environ) == before


def test_a_local_engine_lives_as_long_as_it_listens(installed):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        installed(Started(base_url=address))
        with connect() as engine:
            assert engine.lives()
            server.close()
            assert not engine.lives()


def test_a_session_that_cannot_be_finished_hides_no_error(installed, monkeypatch):
    installed(Started())

    def close(self, status):
        assert status == "errored"
        future = Future()
        future.set_exception(tinker.TinkerError("there is no session"))
        return future

    monkeypatch.setattr(tinker.ServiceClient, "close", close)
    with pytest.raises(KeyError), connect():
        raise KeyError
