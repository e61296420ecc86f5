"""The local engine: found by its entry point, started for a block of code."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from tinker_core.errors import EngineError

ENGINES = "tinker.engines"


class LocalEngine(Protocol):
    """The engine that an entry point of the group `tinker.engines` starts; a context manager."""

    base_url: str
    api_key: str

    def __enter__(self) -> Any: ...
    def __exit__(self, kind: Any, error: Any, traceback: Any, /) -> Any: ...


def start_local(stack: ExitStack, home: Path | None) -> tuple[str, LocalEngine]:
    """Start the installed local engine until the stack closes; returns its name and the engine."""
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


def listens(base_url: str) -> bool:
    """False if the connection is refused; a busy server counts as listening."""
    parts = urlsplit(base_url)
    try:
        socket.create_connection((str(parts.hostname), int(parts.port or 80)), timeout=10).close()
    except ConnectionRefusedError:
        return False
    except OSError:
        pass
    return True
