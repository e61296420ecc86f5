"""A client of the engine that the environment names (see `tinker_core.engine.address`)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeVar

import tinker
from attrs import frozen

from tinker_core.engine.address import find_engine
from tinker_core.engine.errors import engine_errors
from tinker_core.engine.local_engine import listens

T = TypeVar("T")
logger = logging.getLogger(__name__)
_FINISH_S = 5.0


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
