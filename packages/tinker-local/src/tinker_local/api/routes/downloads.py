"""Routes: files by URLs that work for an hour without the key, because the SDK sends none."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

from starlette.responses import FileResponse, Response
from starlette.routing import Route

from tinker_local.api.http import API, Call, route
from tinker_local.errors import NotFoundError
from tinker_local.service.service import Download

DOWNLOAD_S = 3600.0


def offer(call: Call, files: dict[str, Path | bytes]) -> tuple[dict[str, str], float]:
    """A URL for each file, and the Unix time until which they work."""
    downloads = call.service.downloads
    now = time.time()
    for token in [token for token, old in downloads.items() if old.until < now]:
        del downloads[token]
    token = secrets.token_urlsafe(24)
    downloads[token] = Download(files=files, until=now + DOWNLOAD_S)
    base = f"{str(call.request.base_url).rstrip('/')}{API}/downloads/{token}"
    return {name: f"{base}/{name}" for name in files}, downloads[token].until


async def download(call: Call) -> Response:
    """The content of one file."""
    offered = call.service.downloads.get(call.path_parameter("token"))
    content = None if offered is None else offered.files.get(call.path_parameter("file"))
    if offered is None or content is None or offered.until < time.time():
        raise NotFoundError("unknown download: its URL may have expired")
    if isinstance(content, bytes):
        return Response(content, media_type="application/octet-stream")
    if not content.is_file():
        raise NotFoundError(f"{content.name} was deleted")
    return FileResponse(content)


ROUTES: list[Route] = [route("/downloads/{token}/{file}", download, "GET", public=True)]
