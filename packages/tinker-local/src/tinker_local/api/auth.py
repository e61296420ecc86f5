"""Authentication: a key, or the short-lived token (JWT) that the SDK gets for the key."""

from __future__ import annotations

import hashlib
import hmac
import time

import jwt
from starlette.requests import Request

from tinker_local.errors import ForbiddenError, UnauthorizedError

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


def check(request: Request, key: str | None) -> None:
    """Raise unless the request is authenticated.

    Without a key, every program on this machine is admitted, but not web pages in its browsers:
    those send their origin.
    """
    if key is None:
        if "origin" in request.headers:
            raise ForbiddenError("web pages may not use an engine without a key")
        return
    given = request.headers.get("x-api-key") or _bearer(request)
    if hmac.compare_digest(given.encode("utf-8", "replace"), key.encode()):
        return
    if not is_valid_token(given, key):
        raise UnauthorizedError("the API key (X-API-Key, or Bearer) is missing, wrong or expired")
