"""The way to an engine: hosted, at an address of the user's, or the local one, started here.

TINKER_BASE_URL set    whatever Tinker server answers there, with TINKER_API_KEY as its key
TINKER_API_KEY set     the hosted service
neither                the local engine, found through the entry-point group `tinker.engines`
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from traceback import walk_tb
from types import TracebackType
from typing import Any, Literal, Protocol, TypeVar
from urllib.parse import urlsplit

import tinker
from attrs import frozen

from tinker_core import EngineError
from tinker_train.tasks import task_group

T = TypeVar("T")
logger = logging.getLogger(__name__)
ENGINES = "tinker.engines"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_FINISH_S = 5.0
_WATCH_S = 2.0
_NO_KEY = "tml-none"  # the SDK sends nothing without a key of this shape; a server may ignore it


class LocalEngine(Protocol):
    """What an entry point of the group `tinker.engines` starts; a context manager besides."""

    base_url: str
    api_key: str

    def __enter__(self) -> Any: ...
    def __exit__(self, kind: Any, error: Any, traceback: Any, /) -> Any: ...


Forget = Callable[[str], Awaitable[None]]


@frozen(kw_only=True)
class Engine:
    """An engine that answers, and what to tell the user about it."""

    service: tinker.ServiceClient
    kind: Literal["hosted", "base_url", "local"]
    description: str
    """One line: which engine it is, and why this one."""
    forget: Forget | None = None
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
            name, local = _start_local(stack, home)
            kind, base_url, key = "local", local.base_url, local.api_key
            description = f"local engine {name!r} at {base_url}, started for this run"
        stack.enter_context(_no_proxy_for(base_url))
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
            forget=partial(_forget, rest),
            models=partial(_models, rest),
            lives=partial(_listens, base_url) if kind == "local" else None,
        )


async def _forget(rest: Callable[[], tinker.RestClient], path: str) -> None:
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


@contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Turn what the SDK raises inside into an EngineError that begins with what was being done."""
    try:
        yield
    except Exception as error:
        if isinstance(error, tinker.TinkerError) or _is_raised_by_the_sdk(error):
            raise EngineError(f"{doing}: {error}") from error
        raise


async def while_engine_lives(engine: Engine, work: Coroutine[Any, Any, T]) -> T:
    """Await the work; raises EngineError when the engine that was started for it has died.

    The SDK would try that one for ever. An engine of somebody else's may come back, and is waited
    for as long as the SDK does.
    """
    if engine.lives is None:
        return await work
    async with task_group() as tasks:
        watch = tasks.create_task(_watch(engine.lives, engine.description))
        result = await work
        watch.cancel()
    return result


async def _watch(lives: Callable[[], bool], description: str) -> None:
    while await asyncio.to_thread(lives):
        await asyncio.sleep(_WATCH_S)
    raise EngineError(f"{description}, has died; what was saved can be resumed")


def _listens(base_url: str) -> bool:
    parts = urlsplit(base_url)
    try:
        socket.create_connection((str(parts.hostname), int(parts.port or 80)), timeout=10).close()
    except ConnectionRefusedError:
        return False
    except OSError:
        pass  # it is busy
    return True


def _is_raised_by_the_sdk(error: Exception) -> bool:
    """Not all that it raises is a TinkerError: a future that the engine lost is a ValueError."""
    *_, (frame, _) = walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).startswith("tinker.")


def _start_local(stack: ExitStack, home: Path | None) -> tuple[str, LocalEngine]:
    found: tuple[EntryPoint, ...] = tuple(entry_points(group=ENGINES))
    if not found:
        raise EngineError(
            "no engine: set TINKER_API_KEY (the hosted service), set TINKER_BASE_URL (a Tinker "
            "server of your own), or `pip install tinker-local` (an engine on this machine)"
        )
    try:
        local: LocalEngine = found[0].load()(home=home)
    except Exception as error:
        raise EngineError(f"the local engine {found[0].name!r} did not start: {error}") from error
    stack.enter_context(local)
    return found[0].name, local


def _check_address(base_url: str) -> None:
    """The SDK tries an address that is dead for minutes; find out at once."""
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise EngineError(f"TINKER_BASE_URL={base_url!r} is not an http address")
    if _proxy() and parts.hostname not in _LOOPBACK:
        return  # only the proxy can tell
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname, port), timeout=10).close()
    except OSError as error:
        raise EngineError(f"nothing answers at TINKER_BASE_URL={base_url}: {error}") from error


def _proxy() -> str | None:
    names = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


@contextmanager
def _no_proxy_for(base_url: str) -> Iterator[None]:
    """Keep a proxy off loopback: the SDK would send even that through it, and hang."""
    if urlsplit(base_url).hostname not in _LOOPBACK or not _proxy():
        yield
        return
    before = {name: os.environ.get(name) for name in ("NO_PROXY", "no_proxy")}
    for name, value in before.items():
        os.environ[name] = ",".join([*(value.split(",") if value else []), *_LOOPBACK])
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
