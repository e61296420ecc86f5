"""Servers that answer, but not as a Tinker server should."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STARTED = {
    "client/config": {},
    "client/dynamic_config": {},
    "create_session": {"type": "create_session", "session_id": "session-1"},
    "session_heartbeat": {"type": "session_heartbeat"},
}
"""Answers of every odd server, so that the SDK gets as far as a request."""


class Odd(BaseHTTPRequestHandler):
    """Answers the start of a session; the rest is odd."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        name = self.path.removeprefix("/api/v1/")
        if name in STARTED:
            self.answer(200, json.dumps(STARTED[name]))
        else:
            self.odd()

    def do_GET(self) -> None:
        self.odd()

    def odd(self) -> None:
        raise NotImplementedError

    def answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *arguments: object) -> None:
        pass


class Silent(Odd):
    """Takes a request and never answers."""

    def odd(self) -> None:
        self.server.ended.wait()


class Broken(Odd):
    """Answers 500."""

    def odd(self) -> None:
        self.answer(500, '{"detail": "Internal Server Error"}')


class Babbling(Odd):
    """Answers 200 with another answer than was asked for."""

    def odd(self) -> None:
        self.answer(200, '{"hello": "world"}')


class Refusing(Odd):
    """Refuses everything."""

    def odd(self) -> None:
        self.answer(404, '{"detail": "not implemented"}')


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, handler: type[Odd]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.ended = threading.Event()

    def handle_error(self, *arguments: object) -> None:
        pass  # a client that was killed


@contextmanager
def serving(handler: type[Odd]) -> Iterator[str]:
    """The base URL of such a server."""
    with Server(handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.ended.set()
        server.shutdown()
        thread.join()
