"""One file over HTTP, from a server that misbehaves on request."""

from __future__ import annotations

import base64
import hashlib
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from attrs import define, field

from tinker_core import EngineError
from tinker_weights.download.fetch import fetch

CONTENT = os.urandom(300_000)


@define
class Server:
    """Serves CONTENT; `plan` says what to do with each request in turn."""

    plan: list[dict[str, Any]] = field(factory=list)
    requests: list[dict[str, str]] = field(factory=list)
    url: str = ""

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.requests.append(dict(handler.headers))
        todo = self.plan.pop(0) if self.plan else {}
        content, etag = todo.get("content", CONTENT), todo.get("etag", '"one"')
        if todo.get("status", 200) >= 400:
            handler.send_error(todo["status"])
            return
        start, asked = 0, handler.headers.get("Range")
        if asked and handler.headers.get("If-Range") == etag and not todo.get("no_ranges"):
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            handler.send_response(200)
        handler.send_header("Content-Length", str(len(content) - start))
        if etag:
            handler.send_header("ETag", etag)
        for name, value in todo.get("headers", {}).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content[start : todo.get("until", len(content))])
        handler.close_connection = True


@pytest.fixture
def server():
    shared = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            shared.answer(self)

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    shared.url = f"http://127.0.0.1:{http.server_port}/file"
    yield shared
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def get(server, tmp_path):
    """Fetch, without waiting between attempts; the content of the file."""

    def get(**options):
        target = tmp_path / "file"
        fetch(lambda: server.url, target, sleep=lambda _: None, **options)
        assert [path.name for path in tmp_path.iterdir()] == ["file"]
        return target.read_bytes()

    return get


def test_a_file_arrives_whole(get):
    seen = []
    assert get(progress=lambda *state: seen.append(state)) == CONTENT
    assert seen[-1] == ("file", len(CONTENT), len(CONTENT))


def test_a_download_that_breaks_off_goes_on_where_it_stopped(server, get):
    server.plan = [{"until": 100_000}, {"until": 250_000}, {}]
    assert get() == CONTENT
    assert [request.get("Range") for request in server.requests] == [
        None, "bytes=100000-", "bytes=250000-",
    ]  # fmt: skip


def test_a_later_call_goes_on_where_a_killed_one_stopped(server, get, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT[:1000])
    (tmp_path / "file.etag").write_text('"one"')
    assert get() == CONTENT
    assert server.requests[0]["Range"] == "bytes=1000-"


def test_a_file_that_changed_meanwhile_is_fetched_from_its_beginning(server, get, tmp_path):
    (tmp_path / "file.part").write_bytes(b"old" * 1000)
    (tmp_path / "file.etag").write_text('"old"')
    assert get() == CONTENT


def test_a_part_whose_origin_is_not_known_is_thrown_away(server, get, tmp_path):
    (tmp_path / "file.part").write_bytes(b"whose?")
    assert get() == CONTENT
    assert "Range" not in server.requests[0]


def test_a_server_without_ranges_is_asked_for_everything(server, get):
    server.plan = [{"until": 10_000}, {"no_ranges": True}]
    assert get() == CONTENT


def test_a_part_that_is_longer_than_the_file_is_thrown_away(server, get, tmp_path):
    (tmp_path / "file.part").write_bytes(CONTENT + b"more")
    (tmp_path / "file.etag").write_text('"one"')
    server.plan = [{"status": 416}]
    assert get() == CONTENT


@pytest.mark.parametrize("status", [403, 408, 429, 500, 503])
def test_an_error_that_may_pass_is_tried_again(server, get, status):
    server.plan = [{"status": status}, {"status": status}]
    assert get() == CONTENT


def test_an_expired_address_is_replaced(server, tmp_path):
    server.plan = [{"status": 403}]
    addresses = iter([f"{server.url}?old", f"{server.url}?new"])
    fetch(lambda: next(addresses), tmp_path / "file", sleep=lambda _: None)
    assert next(addresses, None) is None


@pytest.mark.parametrize("status", [404, 410])
def test_a_file_that_is_gone_is_an_error_at_once(server, get, status):
    server.plan = [{"status": status}]
    with pytest.raises(EngineError, match=str(status)):
        get()
    assert len(server.requests) == 1


def test_a_server_that_always_fails_is_given_up(server, get):
    server.plan = [{"status": 500}] * 10
    with pytest.raises(EngineError, match="failed 6 times"):
        get()
    assert len(server.requests) == 6


def digest(algorithm: str) -> str:
    return base64.b64encode(hashlib.new(algorithm, CONTENT).digest()).decode()


HEADERS = {
    "RFC 9530": ("Repr-Digest", "sha-256=:{}:", "sha256"),
    "RFC 3230": ("Digest", "SHA-256={}", "sha256"),
    "Google Cloud Storage": ("x-goog-hash", "crc32c=AAAAAA==,md5={}", "md5"),
    "S3": ("x-amz-checksum-sha256", "{}", "sha256"),
    "Azure": ("x-ms-blob-content-md5", "{}", "md5"),
    "RFC 1864": ("Content-MD5", "{}", "md5"),
}


@pytest.mark.parametrize(("name", "pattern", "algorithm"), HEADERS.values(), ids=HEADERS)
def test_a_file_that_differs_from_its_digest_is_fetched_again(
    server, get, name, pattern, algorithm
):
    headers = {name: pattern.format(digest(algorithm))}
    damaged = b"?" + CONTENT[1:]
    server.plan = [{"content": damaged, "headers": headers}, {"headers": headers}]
    assert get() == CONTENT
    assert len(server.requests) == 2


def test_a_file_that_always_differs_is_an_error_and_is_not_kept(server, get, tmp_path):
    headers = {"Repr-Digest": f"sha-256=:{digest('sha256')}:"}
    server.plan = [{"content": b"?" + CONTENT[1:], "headers": headers}] * 6
    with pytest.raises(EngineError, match="sha256 is"):
        get()
    assert not (tmp_path / "file").exists()


def test_a_resumed_file_is_checked_as_a_whole(server, get, tmp_path):
    (tmp_path / "file.part").write_bytes(b"?" + CONTENT[1:1000])
    (tmp_path / "file.etag").write_text('"one"')
    headers = {"Repr-Digest": f"sha-256=:{digest('sha256')}:"}
    server.plan = [{"headers": headers}, {"headers": headers}]
    assert get() == CONTENT


def test_a_composite_checksum_of_s3_is_not_taken_for_a_digest(server, get):
    server.plan = [{"headers": {"x-amz-checksum-sha256": "c29tZXRoaW5n-3"}}]
    assert get() == CONTENT


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://127.0.0.1/file", "data:,x"])
def test_an_address_that_is_not_http_is_refused(tmp_path, url):
    with pytest.raises(EngineError, match="no http address"):
        fetch(lambda: url, tmp_path / "file")
