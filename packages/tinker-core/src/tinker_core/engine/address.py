"""The address of an engine: the hosted service, a server at an address, or the local engine.

TINKER_BASE_URL set    the Tinker server at that address, with TINKER_API_KEY as its key
TINKER_API_KEY set     the hosted service
neither                the local engine, found by the entry-point group `tinker.engines`
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from attrs import field, frozen

from tinker_core.engine.local_engine import start_local
from tinker_core.engine.proxy import LOOPBACK, no_proxy_for, proxy
from tinker_core.errors import EngineError

_NO_KEY = "tml-none"  # the SDK sends nothing without a key of this form


@frozen(kw_only=True)
class EngineAddress:
    """The address and the key of an engine."""

    base_url: str | None
    """None for the hosted service."""
    api_key: str = field(repr=False)
    kind: Literal["hosted", "base_url", "local"]
    description: str
    """One line: which engine it is, and why it was chosen."""


@contextmanager
def find_engine(home: Path | None = None) -> Iterator[EngineAddress]:
    """Find the engine that the environment names; a local engine is started for the block.

    `home` is the folder in which a local engine keeps its checkpoints. Raises EngineError if there
    is no engine, and if nothing listens at TINKER_BASE_URL.
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
        yield EngineAddress(
            base_url=base_url or None, api_key=key or _NO_KEY, kind=kind, description=description
        )


def _check_address(base_url: str) -> None:
    """Raise EngineError for a dead address at once; the SDK would retry it for minutes."""
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
