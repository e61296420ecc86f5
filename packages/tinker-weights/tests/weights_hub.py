"""The part of the Hugging Face hub's HTTP API that an upload uses, on loopback."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from attrs import define, field


@define
class Hub:
    """What arrived."""

    url: str = ""
    repositories: dict[str, dict[str, Any]] = field(factory=dict)
    """By name: what create_repo said."""
    files: dict[str, bytes] = field(factory=dict)
    objects: dict[str, bytes] = field(factory=dict)
    """Large files by their sha256, until a commit names them."""
    refuse: int | None = None
    """Answer everything with this status."""

    def is_private(self, name: str) -> bool:
        settings = self.repositories[name]
        return bool(settings.get("private", settings.get("visibility") == "private"))

    def post(self, path: str, body: bytes) -> Any:
        if path == "/api/repos/create":
            settings = json.loads(body)
            name = f"{settings.get('organization', 'me')}/{settings['name']}"
            self.repositories[name] = settings
            return {"url": f"{self.url}/{name}", "name": name, "id": name}
        if "/preupload/" in path:
            files = json.loads(body)["files"]
            return {"files": [{"path": file["path"], "shouldIgnore": False,
                               "uploadMode": _mode(file["path"])} for file in files]}  # fmt: skip
        if path.endswith("/info/lfs/objects/batch"):
            objects = json.loads(body)["objects"]
            return {"objects": [{"oid": each["oid"], "size": each["size"], "actions": {
                "upload": {"href": f"{self.url}/upload/{each['oid']}"},
            }} for each in objects]}  # fmt: skip
        if "/commit/" in path:
            for line in body.splitlines():
                self._commit(json.loads(line))
            name = path.removeprefix("/api/models/").partition("/commit/")[0]
            url = f"{self.url}/{name}/commit/1"
            return {"success": True, "commitUrl": url, "commitOid": "1"}
        if path == "/api/validate-yaml":
            return {"errors": [], "warnings": []}
        raise KeyError(path)

    def _commit(self, entry: dict[str, Any]) -> None:
        value = entry["value"]
        if entry["key"] == "file":
            self.files[value["path"]] = base64.b64decode(value["content"])
        elif entry["key"] == "lfsFile":
            self.files[value["path"]] = self.objects[value["oid"]]


def _mode(path: str) -> str:
    return "lfs" if path.endswith((".safetensors", ".gguf")) else "regular"


@contextmanager
def serve() -> Iterator[Hub]:
    """A hub at an address of this machine."""
    hub = Hub()
    http = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield hub
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def do_POST(self) -> None:
        body = self._body()
        if self.hub.refuse is not None:
            self._answer(self.hub.refuse, {"error": "refused"})
        else:
            self._answer(200, self.hub.post(self.path.partition("?")[0], body))

    def do_PUT(self) -> None:
        self.hub.objects[self.path.rpartition("/")[-1]] = self._body()
        self._answer(200, {})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _answer(self, status: int, value: Any) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
