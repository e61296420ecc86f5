"""The way to an engine: hosted, at an address of the user's, or the local one, started here.

TINKER_BASE_URL set    whatever Tinker server answers there, with TINKER_API_KEY as its key
TINKER_API_KEY set     the hosted service
neither                the local engine, found through the entry-point group `tinker.engines`
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import tinker
from attrs import frozen

from tinker_core import EngineError
from tinker_train.engine.errors import engine_errors
from tinker_train.engine.local_engine import listens, start_local
from tinker_train.engine.proxy import LOOPBACK, no_proxy_for, proxy

T = TypeVar("T")
logger = logging.getLogger(__name__)
_FINISH_S = 5.0
_NO_KEY = "tml-none"  # the SDK sends nothing without a key of this shape; a server may ignore it


DeleteCheckpoint = Callable[[str], Awaitable[None]]


@frozen(kw_only=True)
class Engine:
    """An engine that answers, and what to tell the user about it."""

    service: tinker.ServiceClient
    kind: Literal["hosted", "base_url", "local"]
    description: str
    """One line: which engine it is, and why this one."""
    delete_checkpoint: DeleteCheckpoint | None = None
    """Deletes a checkpoint by its `tinker://` path."""
    models: Callable[[], Coroutine[Any, Any, tuple[str, ...]]] | None = None
    """The names of the models that it says it has; it may take others too."""
    lives: Callable[[], bool] | None = None
    """Whether an engine that was started for the block is there still; None for another's."""


@contextmanager
def connect(
    *, home: Path | None = None, user_metadata: Mapping[str, str] | None = None
) -> Iterator[Engine]:
    """Find an engine by the environment, start it where it is local, and end both with the block.

    `home` is where a local engine keeps its checkpoints. Raises EngineError when there is none, and
    when nothing listens at TINKER_BASE_URL.
    """
    base_url = os.environ.get("TINKER_BASE_URL", "").strip()
    key = os.environ.get("TINKER_API_KEY", "").strip()
    kind: Literal["hosted", "base_url", "local"]
    with ExitStack() as stack:
        if base_url:
            _check_address(base_url)
            kind, description = "base_url", f"engine at TINKER_BASE_URL: {base_url}"
        elif key:
            kind, description = "hosted", "hosted Tinker service (TINKER_API_KEY is set)"
        else:
            name, local = start_local(stack, home)
            kind, base_url, key = "local", local.base_url, local.api_key
            description = f"local engine {name!r} at {base_url}, started for this run"
        stack.enter_context(no_proxy_for(base_url))
        address, api_key = base_url or None, key or _NO_KEY
        service = tinker.ServiceClient(
            user_metadata=dict(user_metadata or {}), base_url=address, api_key=api_key
        )
        stack.push(partial(_finish_session, service))
        rest = partial(tinker.RestClient, base_url=address, api_key=api_key)
        yield Engine(
            service=service,
            kind=kind,
            description=description,
            delete_checkpoint=partial(_delete_checkpoint, rest),
            models=partial(_models, rest),
            lives=partial(listens, base_url) if kind == "local" else None,
        )


async def _delete_checkpoint(rest: Callable[[], tinker.RestClient], path: str) -> None:
    await rest().delete_checkpoint_from_tinker_path(path)


async def _models(rest: Callable[[], tinker.RestClient]) -> tuple[str, ...]:
    with engine_errors("the engine's models"):
        found = (await rest().get_server_capabilities()).supported_models
    return tuple(model.model_name for model in found if model.model_name is not None)


def _finish_session(
    service: tinker.ServiceClient,
    kind: type[BaseException] | None,
    error: BaseException | None,
    traceback: TracebackType | None,
) -> None:
    """Tell the engine that this client is done; what cannot be told is no error of the run's.

    An engine that was restarted knows the session no more, and one that is gone would be tried for
    minutes. Either ends the session by itself, without a sign of life.
    """
    status: Literal["success", "errored", "interrupted"] = "success"
    if kind is not None:
        status = "errored" if issubclass(kind, Exception) else "interrupted"
    try:
        service.close(status).result(timeout=_FINISH_S)
    except (tinker.TinkerError, TimeoutError) as failure:
        logger.info("the session at the engine was not finished: %s", failure)


def _check_address(base_url: str) -> None:
    """The SDK tries an address that is dead for minutes; find out at once."""
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise EngineError(f"TINKER_BASE_URL={base_url!r} is not an http address")
    if proxy() and parts.hostname not in LOOPBACK:
        return  # only the proxy can tell
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname, port), timeout=10).close()
    except OSError as error:
        raise EngineError(f"nothing answers at TINKER_BASE_URL={base_url}: {error}") from error
