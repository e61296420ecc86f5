"""Loopback: its names, and the rule that requests to an engine there bypass proxies."""

from __future__ import annotations

import os
from collections.abc import MutableMapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

LOOPBACK = ("127.0.0.1", "localhost", "::1")
ADDRESS = "127.0.0.1"
"""The address that an engine listens on by default."""


def bypass_proxy(environment: MutableMapping[str, str] = os.environ) -> None:
    """Add the address to `NO_PROXY`: the SDK obeys `HTTP_PROXY` for loopback, too."""
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [host for host in environment.get(name, "").split(",") if host]
        if ADDRESS not in hosts:
            environment[name] = ",".join([*hosts, ADDRESS])


def interfering_proxies() -> list[str]:
    """The proxy variables that would catch requests to the address."""
    from urllib.request import getproxies_environment, proxy_bypass

    proxies = sorted({"http", "all"} & getproxies_environment().keys())
    return [] if proxy_bypass(ADDRESS) else [f"{name}_proxy" for name in proxies]


def url_opener(url: str) -> OpenerDirector:
    """An opener that obeys proxy settings, except for a loopback URL."""
    from urllib.request import ProxyHandler, build_opener

    is_loopback = urlsplit(url).hostname in LOOPBACK
    return build_opener(*([ProxyHandler({})] if is_loopback else []))
