"""Routes: health, the available models, telemetry."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from starlette.routing import Route

from tinker_local import catalog
from tinker_local.api.http import Call, route


async def health(call: Call) -> dict[str, Any]:
    """The server is up."""
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
    """The models on this machine. A client can name others, which are downloaded."""
    return {"supported_models": await asyncio.to_thread(_models)}


async def telemetry(call: Call) -> dict[str, Any]:
    """Accepted and dropped: nothing leaves this machine."""
    return {"status": "accepted"}


ROUTES: list[Route] = [
    route("/healthz", health, "GET", public=True),
    route("/get_server_capabilities", capabilities, "GET"),
    route("/telemetry", telemetry, "POST"),
]
