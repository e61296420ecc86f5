"""Who may come in: a key, or the short-lived token (JWT) that the SDK trades it for."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any

from starlette.requests import Request

from tinker_local.errors import ForbiddenError, UnauthorizedError

LIFETIME_S = 24 * 3600
USER = {"sub": "tml:organization_user:local", "org_id": "local", "email": "me@localhost"}
"""There is one user: whoever runs the engine."""


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _sign(text: str, key: str | None) -> str:
    return _encode(hmac.digest((key or "").encode(), text.encode(), hashlib.sha256))


def make_token(key: str | None) -> str:
    """A JWT that this key vouches for, valid across restarts of the server."""
    issued = int(time.time())
    claims = {**USER, "iss": "tinker-local", "iat": issued, "exp": issued + LIFETIME_S}
    parts: list[dict[str, Any]] = [{"alg": "HS256", "typ": "JWT"}, claims]
    text = ".".join(_encode(json.dumps(part).encode()) for part in parts)
    return f"{text}.{_sign(text, key)}"


def is_valid_token(token: str, key: str | None) -> bool:
    """Whether the key vouches for this JWT and it has not run out."""
    text, _, signature = token.rpartition(".")
    if not hmac.compare_digest(signature.encode(), _sign(text, key).encode()):
        return False
    payload = text.split(".")[1]  # ours, since the signature is
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return bool(claims["exp"] > time.time())


def _bearer(request: Request) -> str:
    """The key as OpenAI's clients send it."""
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    return given.strip() if kind.lower() == "bearer" else ""


def check(request: Request, key: str | None) -> None:
    """Raise unless the request may come in.

    Without a key everyone on this machine may, but not the pages in their browsers: those say
    where they come from.
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
