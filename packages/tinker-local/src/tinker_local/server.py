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

from tinker_local.api.http import Guard, json_response
from tinker_local.api.routes import downloads, history, rest, sampling, training
from tinker_local.api.routes import service as service_routes
from tinker_local.openai import routes as openai_routes
from tinker_local.openai.chat_tokenizer import ChatTokenizers
from tinker_local.service.service import Service

logger = logging.getLogger(__name__)

KEEP_ALIVE_S = 300
"""Longer than a client keeps an idle connection: closing first would race with its next request."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")


async def _refused(request: Request, error: Exception) -> Response:
    """No such path, or not with this method."""
    status = error.status_code if isinstance(error, HTTPException) else 400
    where = f"{request.method} {request.url.path}"
    return json_response({"detail": f"{where}: this engine does not serve that"}, status)


def make_app(service: Service) -> Starlette:
    """The application; its lifespan starts and stops the service."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await service.stop()

    app = Starlette(
        routes=[
            *service_routes.ROUTES,
            *training.ROUTES,
            *sampling.ROUTES,
            *rest.ROUTES,
            *history.ROUTES,
            *downloads.ROUTES,
            *openai_routes.ROUTES,
        ],
        middleware=[Middleware(Guard)],
        exception_handlers={HTTPException: _refused},
        lifespan=lifespan,
    )
    app.state.service = service
    app.state.chat_tokenizers = ChatTokenizers()
    return app


class Server(uvicorn.Server):
    """Uvicorn, which on a signal first answers the polls it holds, so that it need not wait."""

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
        await super().startup(sockets)
        if self.started:
            self.on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.service.abandon()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Unlike uvicorn, do not raise the signal again at the end: being told to is no error."""
        logger.info("signal %d: shutting down", sig)
        self.force_exit = self.should_exit
        self.should_exit = True


def bind(host: str, port: int) -> socket.socket:
    """A listening address; `OSError` when it is taken. Port 0 finds a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends without delay only where the protocol is named; else each answer takes 40 ms.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would let two servers share the port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound


def end_with_parent(server: Server, pipe: int) -> None:
    """Shut down when the other end of this pipe is closed: its owner is gone, however it went."""

    def watch() -> None:
        while os.read(pipe, 1024):
            pass
        logger.info("the parent process is gone: shutting down")
        server.should_exit = True

    threading.Thread(target=watch, name="parent watch", daemon=True).start()
