"""Proxies from the environment, and loopback addresses that must not go through them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def proxy() -> str | None:
    """A proxy that the environment names, if there is one."""
    names = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


@contextmanager
def no_proxy_for(base_url: str) -> Iterator[None]:
    """Exempt loopback from proxies for the block: the SDK would send it through them and hang."""
    if urlsplit(base_url).hostname not in LOOPBACK or not proxy():
        yield
        return
    before = {name: os.environ.get(name) for name in ("NO_PROXY", "no_proxy")}
    for name, value in before.items():
        os.environ[name] = ",".join([*(value.split(",") if value else []), *LOOPBACK])
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
