"""Connecting to an engine; `tinker_core.engine` has the tests of its address."""

import socket
from concurrent.futures import Future
from contextlib import contextmanager

import pytest
import tinker

from tinker_core.engine.address import EngineAddress
from tinker_train import connect


@pytest.fixture
def found(monkeypatch):
    """Says at which address a local engine is found."""

    def set_address(base_url="http://127.0.0.1:9"):
        address = EngineAddress(
            base_url=base_url, api_key="tml-local", kind="local", description="the double"
        )

        @contextmanager
        def find_engine(home):
            yield address

        monkeypatch.setattr("tinker_train.engine.connect.find_engine", find_engine)

    return set_address


def test_an_engine_comes_with_a_service_client_and_a_description(found):
    found()
    with connect() as engine:
        assert isinstance(engine.service, tinker.ServiceClient)
        assert (engine.kind, engine.description) == ("local", "the double")


def test_a_local_engine_lives_as_long_as_it_listens(found):
    with socket.create_server(("127.0.0.1", 0)) as server:
        found(f"http://127.0.0.1:{server.getsockname()[1]}")
        with connect() as engine:
            assert engine.lives()
            server.close()
            assert not engine.lives()


def test_a_session_that_cannot_be_closed_hides_no_error(found, monkeypatch):
    found()

    def close(self, status):
        assert status == "errored"
        future = Future()
        future.set_exception(tinker.TinkerError("there is no session"))
        return future

    monkeypatch.setattr(tinker.ServiceClient, "close", close)
    with pytest.raises(KeyError), connect():
        raise KeyError
