"""Authentication: a key, or the short-lived token (JWT) that the SDK gets for the key."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Collection
from urllib.parse import urlsplit

import jwt
from starlette.requests import Request

from tinker_local.errors import ForbiddenError, UnauthorizedError
from tinker_local.loopback import LOOPBACK

LIFETIME_S = 24 * 3600
USER = {"sub": "tml:organization_user:local", "org_id": "local", "email": "me@localhost"}
"""The only user: whoever runs the engine."""
_ALGORITHM = "HS256"


def _signing_key(key: str | None) -> bytes:
    """A key of the length that HS256 needs."""
    return hashlib.sha256((key or "").encode()).digest()


def make_token(key: str | None) -> str:
    """A JWT signed with this key. It stays valid when the server restarts."""
    issued = int(time.time())
    claims = {**USER, "iss": "tinker-local", "iat": issued, "exp": issued + LIFETIME_S}
    return jwt.encode(claims, _signing_key(key), _ALGORITHM)


def is_valid_token(token: str, key: str | None) -> bool:
    """The JWT is signed with this key and has not expired."""
    try:
        jwt.decode(token, _signing_key(key), [_ALGORITHM], options={"require": ["exp"]})
    except jwt.InvalidTokenError:
        return False
    return True


def _bearer(request: Request) -> str:
    """The key in the header that OpenAI's clients use."""
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    return given.strip() if kind.lower() == "bearer" else ""


def check_browser(request: Request, allowed_hosts: Collection[str]) -> None:
    """Refuse the requests of web pages to an engine without a key.

    A browser sends the origin of a page, or where the request comes from. A page whose name was
    made to resolve to this machine (DNS rebinding) sends that name as the host.
    """
    if "origin" in request.headers:
        raise ForbiddenError("web pages may not use an engine without a key")
    site = request.headers.get("sec-fetch-site", "none")
    if site not in ("none", "same-origin"):
        raise ForbiddenError(f"web pages may not use an engine without a key (request: {site})")
    host = _host_name(request)
    if host not in (*LOOPBACK, *allowed_hosts):
        raise ForbiddenError(
            f"host {host!r} is not admitted without a key: address 127.0.0.1, or start the engine "
            "with --allowed-host"
        )


def _host_name(request: Request) -> str:
    """The host that the client addressed, without its port; empty when the header is invalid."""
    try:
        return urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    except ValueError:
        return ""


def check_key(request: Request, key: str) -> None:
    """Raise unless the request has the key, or a token for it."""
    given = request.headers.get("x-api-key") or _bearer(request)
    if hmac.compare_digest(given.encode("utf-8", "replace"), key.encode()):
        return
    if not is_valid_token(given, key):
        raise UnauthorizedError("the API key (X-API-Key, or Bearer) is missing, wrong or expired")
