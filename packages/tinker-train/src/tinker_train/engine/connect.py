"""Connecting to the engine that the environment names; see `tinker_core.engine.address`."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import tinker
from attrs import frozen

from tinker_core.engine.address import find_engine
from tinker_core.engine.errors import engine_errors
from tinker_core.engine.local_engine import listens

logger = logging.getLogger(__name__)
_FINISH_S = 5.0
DeleteCheckpoint = Callable[[str], Awaitable[None]]


@frozen(kw_only=True)
class Engine:
    """A connected engine."""

    service: tinker.ServiceClient
    kind: Literal["hosted", "base_url", "local"]
    description: str
    """One line: which engine it is, and why it was chosen."""
    delete_checkpoint: DeleteCheckpoint | None = None
    """Deletes a checkpoint by its `tinker://` path."""
    models: Callable[[], Coroutine[Any, Any, tuple[str, ...]]] | None = None
    """Lists the names of its models; it may accept others."""
    lives: Callable[[], bool] | None = None
    """True while an engine that was started for the block is alive; None for other engines."""


@contextmanager
def connect(
    *, home: Path | None = None, user_metadata: Mapping[str, str] | None = None
) -> Iterator[Engine]:
    """Connect to the engine that the environment names; a local engine is started for the block.

    `home` is the folder in which a local engine keeps its checkpoints. Raises EngineError if there
    is no engine, and if nothing listens at TINKER_BASE_URL.
    """
    with ExitStack() as stack:
        found = stack.enter_context(find_engine(home))
        address, api_key = found.base_url, found.api_key
        service = tinker.ServiceClient(
            user_metadata=dict(user_metadata or {}), base_url=address, api_key=api_key
        )
        stack.push(partial(_finish_session, service))
        rest = partial(tinker.RestClient, base_url=address, api_key=api_key)
        yield Engine(
            service=service,
            kind=found.kind,
            description=found.description,
            delete_checkpoint=partial(_delete_checkpoint, rest),
            models=partial(_models, rest),
            lives=partial(listens, str(address)) if found.kind == "local" else None,
        )


async def _delete_checkpoint(rest: Callable[[], tinker.RestClient], path: str) -> None:
    await rest().delete_checkpoint_from_tinker_path(path)


async def _models(rest: Callable[[], tinker.RestClient]) -> tuple[str, ...]:
    with engine_errors("list of the engine's models"):
        found = (await rest().get_server_capabilities()).supported_models
    return tuple(model.model_name for model in found if model.model_name is not None)


def _finish_session(
    service: tinker.ServiceClient,
    kind: type[BaseException] | None,
    error: BaseException | None,
    traceback: TracebackType | None,
) -> None:
    """Close the session at the engine; a failure is logged and is no error of the run.

    An engine that was restarted does not know the session, and the SDK would retry a dead one for
    minutes. The engine ends an idle session by itself.
    """
    status: Literal["success", "errored", "interrupted"] = "success"
    if kind is not None:
        status = "errored" if issubclass(kind, Exception) else "interrupted"
    try:
        service.close(status).result(timeout=_FINISH_S)
    except (tinker.TinkerError, TimeoutError) as failure:
        logger.info("the session at the engine was not closed: %s", failure)
