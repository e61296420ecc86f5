"""Routes: sessions, their heartbeats, their listing and their traces."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from tinker_local.api.http import Call, route
from tinker_local.api.json_bodies import Body, Positive, Text
from tinker_local.api.routes.downloads import offer
from tinker_local.service.sessions import Session, string_values


class _NewSession(Body, frozen=True, kw_only=True):
    user_metadata: dict[str, Any] | None = None
    display_name: Text | None = None


class _Heartbeat(Body, frozen=True, kw_only=True):
    session_id: Text


class _Reason(Body, frozen=True, kw_only=True):
    type: str | None = None


class _Finish(Body, frozen=True, kw_only=True):
    reason: _Reason | None = None


class _Status(Body, frozen=True, kw_only=True):
    type: str | None = None


class _Search(Body, frozen=True, kw_only=True):
    session_id: Text | None = None
    display_name: Text | None = None
    statuses: list[_Status] | None = None
    user_metadata: dict[str, Any] | None = None
    limit: Positive = 50


async def create_session(call: Call) -> dict[str, Any]:
    """Open a session."""
    body = call.body(_NewSession)
    session = call.service.registry.open_session(body.user_metadata or {}, body.display_name)
    return {"type": "create_session", "session_id": session.id}


async def heartbeat(call: Call) -> dict[str, Any]:
    """Keep a session alive."""
    call.service.registry.live_session(call.body(_Heartbeat).session_id)
    return {"type": "session_heartbeat"}


async def finish_session(call: Call) -> Response:
    """End a session and free what it owns."""
    body = call.body(_Finish)
    session = call.service.registry.session(call.path_parameter("session_id"))
    reason = body.reason and body.reason.type
    if session.ended is None and reason in ("success", "errored", "interrupted"):
        session.reason = reason
    call.service.end_session(session.id, "was finished by its client")
    return Response(status_code=204)


async def list_sessions(call: Call) -> dict[str, Any]:
    """The sessions since the start of this server, the newest first."""
    return {"sessions": list(reversed(call.service.registry.sessions))}


async def get_session(call: Call) -> dict[str, Any]:
    """One session, living or ended."""
    session = call.service.registry.session(call.path_parameter("session_id"))
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


def _matches(session: Session, search: _Search) -> bool:
    """A session fits all filters of a search."""
    if search.session_id or search.display_name:
        title = (session.display_name or "").lower()
        words = (search.display_name or "").lower().split()
        named = bool(words) and all(word in title for word in words)
        if session.id != search.session_id and not named:
            return False
    if search.statuses is not None:
        kind = (_status(session) or {}).get("type")
        if kind not in [status.type for status in search.statuses]:
            return False
    metadata = string_values(session.user_metadata) or {}
    return all(metadata.get(key) == value for key, value in (search.user_metadata or {}).items())


async def search_sessions(call: Call) -> dict[str, Any]:
    """The newest sessions that match, in one page of at most `limit`."""
    search, service = call.body(_Search), call.service
    rows = []
    for session in reversed(service.registry.sessions.values()):
        if _matches(session, search):
            checkpoints = [
                path for run in session.model_ids for path in service.checkpoints.paths(run)
            ]
            rows.append(
                {
                    "session_id": session.id,
                    "created_at": session.created.isoformat(),
                    "owner": "local",
                    "project_id": "local",
                    "status": _status(session),
                    "checkpoints_count": len(checkpoints),
                    "display_name": session.display_name,
                    "user_metadata": string_values(session.user_metadata),
                }
            )
    return {"sessions": rows[: search.limit], "next_cursor": None}


async def assign_project(call: Call) -> Response:
    """Accepted without effect: all sessions are in one project."""
    call.service.registry.session(call.path_parameter("session_id"))
    return Response(status_code=204)


async def export_trace(call: Call) -> dict[str, Any]:
    """The times of the session's requests, in the JSON format of Perfetto."""
    session = call.service.registry.session(call.path_parameter("session_id"))
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


ROUTES: list[Route] = [
    route("/create_session", create_session, "POST"),
    route("/session_heartbeat", heartbeat, "POST"),
    route("/sessions/{session_id}/finish", finish_session, "POST"),
    route("/sessions", list_sessions, "GET"),
    route("/sessions/search", search_sessions, "POST"),
    route("/sessions/{session_id}", get_session, "GET"),
    route("/sessions/{session_id}/project", assign_project, "PUT"),
    route("/sessions/{session_id}/trace_export", export_trace, "GET"),
]
