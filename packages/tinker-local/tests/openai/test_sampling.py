"""Completions whose client disconnects, or whose server stops, on the echo backend."""

from __future__ import annotations

import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tinker_local import catalog
from tinker_local.server import Server, bind

ENDLESS = {"model": "local/tiny", "prompt": "ab", "max_tokens": 10**9}


@pytest.fixture
def port(service) -> Iterator[int]:
    """A server on a real socket, in a thread."""
    ready = threading.Event()
    server = Server(service, ready.set)
    with bind("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        assert ready.wait(30)
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


def send(port: int, **fields) -> socket.socket:
    body = json.dumps({**ENDLESS, **fields}).encode()
    head = (
        f"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.sendall(head.encode() + body)
    return connection


def receive(connection: socket.socket, last: bytes) -> bytes:
    """The bytes that the server sends, at least up to `last`."""
    received = b""
    while last not in received:
        more = connection.recv(1 << 16)
        assert more, received
        received += more
    return received


def wait_for(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_disconnects_cancels_its_samples(port, backend, service, stream):
    with send(port, stream=stream) as connection:
        wait_for(lambda: any(event.startswith("decode") for event in list(backend.events)))
        if stream:
            receive(connection, b"data: ")
        assert "cancel" not in backend.events
    wait_for(lambda: "cancel" in backend.events)
    assert backend.samplers[0].is_idle
    assert list(service.unowned.values()) == [0]


def test_a_server_that_stops_fails_the_waiting_request(port, service, backend):
    with send(port) as connection:
        wait_for(lambda: any(event.startswith("decode") for event in list(backend.events)))
        service.abandon()
        answer = receive(connection, b"}}")
    assert b"400" in answer.splitlines()[0]
    assert b"shutting down" in answer


def test_a_server_that_stops_ends_a_stream_with_an_error(port, service):
    with send(port, stream=True) as connection:
        receive(connection, b"data: ")
        service.abandon()
        assert b"shutting down" in receive(connection, b"[DONE]")


def test_idle_samplers_without_a_session_are_evicted_in_lru_order(service, http):
    for number in range(7):
        folder = service.settings.home / str(number)
        shutil.copytree(catalog.resolve("local/tiny"), folder)
        answer = http.post(
            "http://127.0.0.1/v1/completions",
            json={"model": str(folder), "prompt": "ab", "max_tokens": 1},
        )
        assert answer.status_code == 200, answer.text
    wait_for(lambda: len(service.models.sources) <= 4)
    assert list(service.unowned) == [
        f"openai:{service.settings.home / str(number)}" for number in (3, 4, 5, 6)
    ]
