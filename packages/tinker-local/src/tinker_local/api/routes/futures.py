"""Routes: polling for the outcomes of requests, and cancelling them."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from tinker_local.api.http import Call, json_response, route
from tinker_local.api.json_bodies import Body, Count, Text
from tinker_local.errors import GoneError, NotFoundError, RequestError

HOLD_S = 25.0
"""The time that a poll is held. A client gives up after 45 s, and polls again after each reply."""


class _Retrieve(Body, frozen=True, kw_only=True):
    request_id: Text


class _Target(Body, frozen=True, kw_only=True):
    sampling_session_id: Text
    cloned_sampler_id: Count = 0


class _RetrieveMany(Body, frozen=True, kw_only=True):
    target: _Target
    prev_cursor: Count = 0
    retrieved_request_ids: list[str] | None = None
    timeout: Any = None


async def retrieve_future(call: Call) -> Response:
    """The outcome of one request."""
    request_id = call.body(_Retrieve).request_id
    futures = call.service.futures
    if request_id not in futures.by_id:
        if request_id.startswith("sample-"):  # from before a restart: the client samples again
            raise GoneError(f"unknown sample request {request_id!r}: the engine was restarted")
        raise NotFoundError(f"unknown request {request_id!r}")
    outcome = await futures.wait(futures.by_id[request_id], HOLD_S)
    if outcome is None:
        waiting = {"type": "try_again", "request_id": request_id, "queue_state": "active"}
        return json_response(waiting, 408)
    if isinstance(outcome, RequestError):
        return json_response({"error": str(outcome), "category": outcome.category})
    if isinstance(outcome, bytes):
        return Response(outcome, media_type="application/x-protobuf")
    return json_response(outcome)


async def retrieve_futures(call: Call) -> dict[str, Any]:
    """The samples of one client of a sampler that have finished since its last poll."""
    body, service = call.body(_RetrieveMany), call.service
    sampler = service.registry.sampler(body.target.sampling_session_id)
    for request_id in body.retrieved_request_ids or []:
        service.futures.forget(request_id)
    seconds = HOLD_S if body.timeout is None else 0.0
    channel = service.futures.channel(sampler.id, body.target.cloned_sampler_id)
    finished, cursor = await channel.wait(body.prev_cursor, seconds)
    completions: list[dict[str, Any]] = []
    for future in finished:
        row: dict[str, Any] = {"state": "failed", "request_id": future.id}
        if isinstance(future.outcome, bytes):
            row["state"] = "finished"
            row["response_payload_uncompressed_size"] = len(future.outcome)
        completions.append(row)
    return {"completions": completions, "cursor": cursor}


async def cancel_future(call: Call) -> dict[str, Any]:
    """Cancel a sample. Training operations keep their place in the order, and run."""
    request_id = call.body(_Retrieve).request_id
    if request_id.startswith("sample-"):
        call.service.futures.cancel(request_id)
    return {}


ROUTES: list[Route] = [
    route("/retrieve_future", retrieve_future, "POST"),
    route("/retrieve_futures", retrieve_futures, "POST"),
    route("/cancel_future", cancel_future, "POST"),
]
