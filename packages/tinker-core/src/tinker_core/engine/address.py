"""The address of an engine: hosted, at an address of the user's, or the local one, started here.

TINKER_BASE_URL set    whatever Tinker server answers there, with TINKER_API_KEY as its key
TINKER_API_KEY set     the hosted service
neither                the local engine, found through the entry-point group `tinker.engines`
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

_NO_KEY = "tml-none"  # the SDK sends nothing without a key of this shape; a server may ignore it


@frozen(kw_only=True)
class EngineAddress:
    """Where an engine answers, and what to tell the user about it."""

    base_url: str | None
    """None: the hosted service's."""
    api_key: str = field(repr=False)
    kind: Literal["hosted", "base_url", "local"]
    description: str
    """One line: which engine it is, and why this one."""


@contextmanager
def find_engine(home: Path | None = None) -> Iterator[EngineAddress]:
    """Find an engine by the environment; start the local one, and end it with the block.

    `home` is where a local engine keeps its checkpoints. Raises EngineError when there is no
    engine, and when nothing listens at TINKER_BASE_URL.
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
