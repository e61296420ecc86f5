"""The engine that is meant by the base URL `local`: found by an entry point, never imported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points

LOCAL = "local"
GROUP = "tinker.engines"


class EngineMissingError(Exception):
    """No package that brings an engine is installed."""


@contextmanager
def serving(base_url: str, api_key: str) -> Iterator[tuple[str, str]]:
    """Base URL and key of a server; `local` starts one and ends it with the block."""
    if base_url != LOCAL:
        yield base_url, api_key
        return
    found = list(entry_points(group=GROUP))
    if not found:
        raise EngineMissingError(
            f"base URL {LOCAL!r} needs a package with an engine; install tinker-local"
        )
    with found[0].load()() as engine:
        yield engine.base_url, engine.api_key
