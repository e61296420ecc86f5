"""Routes: configuration, sessions, identity, telemetry."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from tinker_local import catalog
from tinker_local.api import auth
from tinker_local.api.http import Call, route
from tinker_local.api.json_bodies import optional_text, record, text

CONFIG = {
    "pjwt_auth_enabled": True,  # without it `whoami` does not work
    "parallel_fwdbwd_chunks": False,  # nothing is gained where no network is
    "fwdbwd_max_chunk_len": 1 << 20,  # one call, one request
    "fwdbwd_max_chunk_bytes_count": 256 << 20,
    "fwdbwd_dispatch_bytes_semaphore_size": 512 << 20,
    "sample_dispatch_bytes_semaphore_size": 256 << 20,
    "inflight_response_bytes_semaphore_size": 512 << 20,
    "sample_use_retrieve_futures": True,  # one poller for a sampler, not one for each request
    "sample_join_sampling_session": True,
    "use_pyqwest_transport": True,
    "custom_loss_server_side": False,
}
DYNAMIC_CONFIG = {"refresh_interval_sec": 3600, "sample_cancel_enabled": True}


async def client_config(call: Call) -> dict[str, Any]:
    return CONFIG


async def dynamic_config(call: Call) -> dict[str, Any]:
    return DYNAMIC_CONFIG


async def auth_token(call: Call) -> dict[str, Any]:
    return {"jwt": auth.make_token(call.service.settings.key)}


async def api_key(call: Call) -> dict[str, Any]:
    """What `tinker auth` shows and forgets; there are no accounts here."""
    return {
        "key_id": 1,
        "name": "local",
        "note": "",
        "details": {
            "org_details": {"name": "local"},
            "user_details": {"email": auth.USER["email"]},
        },
    }


async def health(call: Call) -> dict[str, Any]:
    return {"status": "ok"}


def _models() -> list[dict[str, Any]]:
    rows = []
    for model in catalog.available():
        config = json.loads((model.folder / "config.json").read_bytes())
        rows.append(
            {
                "model_name": model.name,
                "max_context_length": config.get("max_position_embeddings"),
                "trainable": True,
                "sampleable": True,
            }
        )
    return rows


async def capabilities(call: Call) -> dict[str, Any]:
    """The models on this machine; others can be named too, and are fetched."""
    return {"supported_models": await asyncio.to_thread(_models)}


async def create_session(call: Call) -> dict[str, Any]:
    body = call.body
    session = call.service.registry.open_session(
        record(body, "user_metadata"), optional_text(body, "display_name")
    )
    return {"type": "create_session", "session_id": session.id}


async def heartbeat(call: Call) -> dict[str, Any]:
    call.service.registry.live_session(text(call.body, "session_id"))
    return {"type": "session_heartbeat"}


async def finish_session(call: Call) -> Response:
    reason = record(call.body, "reason").get("type")
    session = call.service.registry.session(call.place("session_id"))
    if session.ended is None and reason in ("success", "errored", "interrupted"):
        session.reason = reason
    call.service.end_session(session.id, "was finished by its client")
    return Response(status_code=204)


async def telemetry(call: Call) -> dict[str, Any]:
    """Taken and thrown away: nothing leaves this machine."""
    return {"status": "accepted"}


async def nothing(call: Call) -> Response:
    return Response(status_code=204)


ROUTES: list[Route] = [
    route("/client/config", client_config, "POST"),
    route("/client/dynamic_config", dynamic_config, "POST"),
    route("/auth/token", auth_token, "POST"),
    route("/auth/apikey/me", api_key, "GET"),
    route("/auth/apikey/me", nothing, "DELETE"),
    route("/healthz", health, "GET", open_door=True),
    route("/get_server_capabilities", capabilities, "GET"),
    route("/create_session", create_session, "POST"),
    route("/session_heartbeat", heartbeat, "POST"),
    route("/sessions/{session_id}/finish", finish_session, "POST"),
    route("/telemetry", telemetry, "POST"),
]
