"""Routes: usage and audit records, which a hosted service bills by."""

from __future__ import annotations

from typing import Any

from starlette.routing import Route

from tinker_local.api.http import Call, route


async def audit(call: Call) -> dict[str, Any]:
    """Always empty: this engine keeps no audit log."""
    return {"entries": []}


async def usage_events(call: Call) -> dict[str, Any]:
    """Always empty: this engine bills nobody."""
    return {"data": [], "sessions": {}}


async def checkpoint_storage(call: Call) -> dict[str, Any]:
    """The disk space of the checkpoints."""
    store = call.service.checkpoints
    sizes = [store.size(path) for path, _ in store.listing()]
    total = sum(sizes)
    row = {
        "checkpoint_count": len(sizes),
        "size_bytes": total,
        "size_gigabytes": total / 1e9,
    }
    return {"data": [row]}


ROUTES: list[Route] = [
    route("/audit", audit, "GET"),
    route("/billing/usage/events", usage_events, "GET"),
    route("/billing/usage/checkpoints/current", checkpoint_storage, "GET"),
]
