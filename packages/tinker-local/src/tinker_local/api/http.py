"""HTTP around the routes: reading bodies, writing JSON, and one answer for everything that fails.

No answer is a 5xx: the SDK repeats those for minutes, and on `retrieve_future` for ever.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Any

from attrs import frozen
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tinker_local.api import auth
from tinker_local.api.json_bodies import parse_json
from tinker_local.errors import (
    ForbiddenError,
    GoneError,
    NotFoundError,
    RequestError,
    TooLargeError,
    UnauthorizedError,
)
from tinker_local.service.service import Service

logger = logging.getLogger(__name__)

API = "/api/v1"
MAX_BODY = 1 << 30
"""Bytes of one request; the client configuration keeps the SDK well below."""
STATUS: dict[type[RequestError], int] = {
    UnauthorizedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    GoneError: 410,
    TooLargeError: 413,
}


@frozen
class Call:
    """One request at the door."""

    service: Service
    request: Request
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        return parse_json(self.raw)

    def place(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])


Handler = Callable[[Call], Awaitable[dict[str, Any] | Response]]


def _spell(value: Any) -> Any:
    """Non-finite numbers as the strings that the SDK's models read; JSON has no others."""
    if isinstance(value, dict):
        return {key: _spell(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_spell(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def json_response(
    value: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    try:
        content = json.dumps(value, allow_nan=False)
    except ValueError:
        content = json.dumps(_spell(value))
    return Response(content, status, headers, "application/json")


def refusal(error: RequestError) -> Response:
    """The answer to a request that cannot be served."""
    headers = None
    if isinstance(error, UnauthorizedError):
        headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}  # the SDK fetches a new one
    return json_response({"detail": str(error)}, STATUS.get(type(error), 400), headers)


async def _read(request: Request) -> bytes:
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise RequestError(f"bodies are taken as they are, not with content-encoding {encoding!r}")
    pieces, size = [], 0
    async for piece in request.stream():
        pieces.append(piece)
        size += len(piece)
        if size > MAX_BODY:
            raise TooLargeError(f"the body is over the limit of {MAX_BODY} bytes")
    return b"".join(pieces)


def route(
    path: str,
    handler: Handler,
    *methods: str,
    open_door: bool = False,
    prefix: str = API,
    refuse: Callable[[RequestError], Response] = refusal,
) -> Route:
    """A route under the API's prefix; `open_door` needs no key."""

    async def endpoint(request: Request) -> Response:
        service: Service = request.app.state.service
        try:
            if not open_door:
                auth.check(request, service.settings.key)
            answer = await handler(Call(service, request, await _read(request)))
        except RequestError as error:
            return refuse(error)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        return answer if isinstance(answer, Response) else json_response(answer)

    return Route(f"{prefix}{path}", endpoint, methods=list(methods))


class Guard:
    """Around the whole application: a bug in a route becomes a logged 400 with a reason."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except Exception as error:
            if scope["type"] != "http" or started:
                raise
            logger.exception("%s %s failed", scope["method"], scope["path"])
            detail = f"the engine failed on this request: {type(error).__name__}: {error}"
            await json_response({"detail": detail}, 400)(scope, receive, send)
