"""Routes: past and present sessions; and what a hosted service records and this engine does not."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from tinker_local.api.http import Call, route
from tinker_local.api.json_bodies import integer, optional_text, record
from tinker_local.api.routes.downloads import offer
from tinker_local.service.sessions import Session, string_values


async def list_sessions(call: Call) -> dict[str, Any]:
    """Newest first, since this server's start."""
    return {"sessions": list(reversed(call.service.registry.sessions))}


async def get_session(call: Call) -> dict[str, Any]:
    session = call.service.registry.session(call.place("session_id"))
    return {
        "training_run_ids": session.model_ids,
        "sampler_ids": session.sampler_ids,
        "user_metadata": string_values(session.user_metadata),
        "display_name": session.display_name,
    }


def _status(session: Session) -> dict[str, Any] | None:
    if session.ended is None:
        return {"type": "active"}
    if session.reason is None:
        return None
    return {"type": "client_finished", "reason": {"type": session.reason}}


def _matches(session: Session, body: dict[str, Any]) -> bool:
    """Whether a session is what a search asks for; every filter is optional."""
    wanted_id, words = optional_text(body, "session_id"), optional_text(body, "display_name")
    if wanted_id or words:
        title = (session.display_name or "").lower()
        named = words is not None and all(word in title for word in words.lower().split())
        if session.id != wanted_id and not named:
            return False
    statuses = body.get("statuses")
    kind = (_status(session) or {}).get("type")
    if isinstance(statuses, list) and kind not in [
        status.get("type") for status in statuses if isinstance(status, dict)
    ]:
        return False
    have = string_values(session.user_metadata) or {}
    return all(have.get(key) == value for key, value in record(body, "user_metadata").items())


async def search_sessions(call: Call) -> dict[str, Any]:
    """One page is all there is: `limit` newest."""
    body, service = call.body, call.service
    rows = []
    for session in reversed(service.registry.sessions.values()):
        if _matches(session, body):
            stored = [row for run in session.model_ids for row in service.store.paths(run)]
            rows.append(
                {
                    "session_id": session.id,
                    "created_at": session.created.isoformat(),
                    "owner": "local",
                    "project_id": "local",
                    "status": _status(session),
                    "checkpoints_count": len(stored),
                    "display_name": session.display_name,
                    "user_metadata": string_values(session.user_metadata),
                }
            )
    return {"sessions": rows[: integer(body, "limit", 50, minimum=1)], "next_cursor": None}


async def assign_project(call: Call) -> Response:
    """There are no projects here, so every session is in the one that it should be in."""
    call.service.registry.session(call.place("session_id"))
    return Response(status_code=204)


async def export_trace(call: Call) -> dict[str, Any]:
    """The times of the session's requests, in the JSON that Perfetto opens."""
    session = call.service.registry.session(call.place("session_id"))
    owners = sorted({span.owner for span in session.spans})
    names = [
        {"ph": "M", "name": "thread_name", "pid": 1, "tid": tid, "args": {"name": owner}}
        for tid, owner in enumerate(owners)
    ]
    events = [
        {
            "ph": "X",
            "name": span.kind,
            "pid": 1,
            "tid": owners.index(span.owner),
            "ts": span.began * 1e6,
            "dur": (span.ended - span.began) * 1e6,
        }
        for span in session.spans
    ]
    urls, _ = offer(call, {"trace.json": json.dumps({"traceEvents": names + events}).encode()})
    return {"status": "ready", "url": urls["trace.json"]}


async def audit(call: Call) -> dict[str, Any]:
    return {"entries": []}


async def usage_events(call: Call) -> dict[str, Any]:
    return {"data": [], "sessions": {}}


async def usage_checkpoints(call: Call) -> dict[str, Any]:
    """Storage is counted, though nobody is billed for it."""
    store = call.service.store
    sizes = [store.size(path) for path, _ in store.listing()]
    total = sum(sizes)
    row = {
        "checkpoint_count": len(sizes),
        "size_bytes": total,
        "size_gigabytes": total / 1e9,
    }
    return {"data": [row]}


ROUTES: list[Route] = [
    route("/sessions", list_sessions, "GET"),
    route("/sessions/search", search_sessions, "POST"),
    route("/sessions/{session_id}", get_session, "GET"),
    route("/sessions/{session_id}/project", assign_project, "PUT"),
    route("/sessions/{session_id}/trace_export", export_trace, "GET"),
    route("/audit", audit, "GET"),
    route("/billing/usage/events", usage_events, "GET"),
    route("/billing/usage/checkpoints/current", usage_checkpoints, "GET"),
]
