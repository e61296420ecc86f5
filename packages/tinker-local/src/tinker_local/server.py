"""The HTTP server: the application, and its run from a bound socket to a clean end."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from tinker_local.api import routes
from tinker_local.api.http import ErrorMiddleware, json_response
from tinker_local.openai import routes as openai_routes
from tinker_local.openai.chat_tokenizer import ChatTokenizers
from tinker_local.service.service import Service

logger = logging.getLogger(__name__)

KEEP_ALIVE_S = 300
"""Longer than a client keeps an idle connection: closing first would race with its next request."""


async def _not_served(request: Request, error: Exception) -> Response:
    """The path or its method is unknown."""
    status = error.status_code if isinstance(error, HTTPException) else 400
    place = f"{request.method} {request.url.path}"
    return json_response({"detail": f"{place}: this engine has no such route"}, status)


def make_app(service: Service) -> Starlette:
    """The application. Its lifespan starts and stops the service."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await service.stop()

    app = Starlette(
        routes=[*routes.ROUTES, *openai_routes.ROUTES],
        middleware=[Middleware(ErrorMiddleware)],
        exception_handlers={HTTPException: _not_served},
        lifespan=lifespan,
    )
    app.state.service = service
    app.state.chat_tokenizers = ChatTokenizers()
    return app


class Server(uvicorn.Server):
    """Uvicorn that fails the pending requests on a signal, so that it need not wait for them."""

    def __init__(self, service: Service, on_ready: Callable[[], None] = lambda: None) -> None:
        config = uvicorn.Config(
            make_app(service),
            log_config=None,
            access_log=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=3,
        )
        super().__init__(config)
        self.service = service
        self.on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Call `on_ready` when the server listens."""
        await super().startup(sockets)
        if self.started:
            self.on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Fail the pending requests first."""
        self.service.abandon()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop with status 0. Uvicorn would raise the signal again at the end."""
        logger.info("signal %d: shutting down", sig)
        self.force_exit = self.should_exit
        self.should_exit = True


def bind(host: str, port: int) -> socket.socket:
    """A bound socket; `OSError` when the address is in use. Port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio disables Nagle's algorithm only where the protocol is named; else a reply takes 40 ms.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would let two servers share the port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


def stop_with_parent(server: Server, pipe: int) -> None:
    """Shut down when the other end of the pipe closes, which it does however the parent ends."""

    def watch() -> None:
        while os.read(pipe, 1024):
            pass
        logger.info("the parent process is gone: shutting down")
        server.should_exit = True

    threading.Thread(target=watch, name="parent watch", daemon=True).start()
