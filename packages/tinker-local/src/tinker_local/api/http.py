"""HTTP around the routes: reading bodies, writing JSON, and one reply for everything that fails.

No reply is a 5xx: the SDK repeats those for minutes, and on `retrieve_future` without end.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from attrs import frozen
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tinker_local.api import auth
from tinker_local.api.json_bodies import decode_body
from tinker_local.errors import (
    ForbiddenError,
    GoneError,
    NotFoundError,
    RequestError,
    TooLargeError,
    UnauthorizedError,
)
from tinker_local.service.service import Service, Settings

logger = logging.getLogger(__name__)
T = TypeVar("T")

API = "/api/v1"
MAX_BODY = 1 << 30
"""Bytes of one request. The client configuration keeps the SDK well below."""
STATUS: dict[type[RequestError], int] = {
    UnauthorizedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    GoneError: 410,
    TooLargeError: 413,
}


@frozen
class Call:
    """One request to a route."""

    service: Service
    request: Request
    raw: bytes
    """The body."""

    def body(self, body_type: type[T]) -> T:
        """The JSON body as a struct."""
        return decode_body(self.raw, body_type)

    def path_parameter(self, name: str) -> str:
        """A part of the URL's path."""
        return str(self.request.path_params[name])


Handler = Callable[[Call], Awaitable[dict[str, Any] | Response]]


def json_response(
    value: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """A JSON reply."""
    try:
        content = json.dumps(value, allow_nan=False)
    except ValueError:
        content = json.dumps(_with_finite_numbers(value))
    return Response(content, status, headers, "application/json")


def _with_finite_numbers(value: Any) -> Any:
    """Non-finite numbers as strings, which JSON can hold and the SDK's models read."""
    if isinstance(value, dict):
        return {key: _with_finite_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_finite_numbers(item) for item in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def error_response(error: RequestError) -> Response:
    """The reply to a request that cannot be served."""
    headers = None
    if isinstance(error, UnauthorizedError):
        headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}  # the SDK gets a new token
    return json_response({"detail": str(error)}, STATUS.get(type(error), 400), headers)


async def _read_body(request: Request) -> bytes:
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise RequestError(f"unsupported content-encoding {encoding!r}: send the body uncompressed")
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > MAX_BODY:
            raise TooLargeError(f"the body exceeds the limit of {MAX_BODY} bytes")
    return b"".join(parts)


def _authenticate(request: Request, settings: Settings, *, public: bool) -> None:
    if settings.key is None:
        auth.check_browser(request, settings.allowed_hosts)
    elif not public:
        auth.check_key(request, settings.key)


def route(
    path: str,
    handler: Handler,
    *methods: str,
    public: bool = False,
    prefix: str = API,
    on_error: Callable[[RequestError], Response] = error_response,
) -> Route:
    """A route under the API's prefix. A public one needs no key."""

    async def endpoint(request: Request) -> Response:
        service: Service = request.app.state.service
        try:
            _authenticate(request, service.settings, public=public)
            reply = await handler(Call(service, request, await _read_body(request)))
        except RequestError as error:
            return on_error(error)
        except ClientDisconnect:
            return Response(status_code=400)  # no client is left to read it
        return reply if isinstance(reply, Response) else json_response(reply)

    return Route(f"{prefix}{path}", endpoint, methods=list(methods))


class ErrorMiddleware:
    """Turns a bug in a route into a logged 400 with a reason."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        except Exception as error:
            if scope["type"] != "http" or started:
                raise
            logger.exception("%s %s failed", scope["method"], scope["path"])
            detail = f"the engine failed on this request: {type(error).__name__}: {error}"
            await json_response({"detail": detail}, 400)(scope, receive, send)
