"""Routes: the token for a key, and what the `tinker auth` command shows."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from tinker_local.api import auth
from tinker_local.api.http import Call, route


async def create_token(call: Call) -> dict[str, Any]:
    """A JWT for the key."""
    return {"jwt": auth.make_token(call.service.settings.key)}


async def show_key(call: Call) -> dict[str, Any]:
    """The account of the key. There is only one, and it is made up."""
    return {
        "key_id": 1,
        "name": "local",
        "note": "",
        "details": {
            "org_details": {"name": "local"},
            "user_details": {"email": auth.USER["email"]},
        },
    }


async def revoke_key(call: Call) -> Response:
    """Accepted without effect: the key belongs to the server process."""
    return Response(status_code=204)


ROUTES: list[Route] = [
    route("/auth/token", create_token, "POST"),
    route("/auth/apikey/me", show_key, "GET"),
    route("/auth/apikey/me", revoke_key, "DELETE"),
]
