"""Routes: samplers, sampling, and the futures of everything."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from tinker_local.api.http import Call, json_response, route
from tinker_local.api.json_bodies import (
    MAX_SAMPLES,
    Body,
    decode_sample_request,
    integer,
    optional_text,
    record,
    strings,
    text,
)
from tinker_local.api.protobuf_codec import encode_sample_result
from tinker_local.errors import GoneError, NotFoundError, RequestError
from tinker_local.service.loaded_models import Source
from tinker_local.service.sessions import SamplerRecord, child_id
from tinker_local.storage.checkpoint_path import parse_path

HOLD_S = 25.0
"""A poll is held so long; the client gives up after 45 s and asks again at once after an answer."""
CLONE = 1_000_000_000
"""Copies of a sampling client number their requests in blocks of so many."""


async def create_sampling_session(call: Call) -> dict[str, Any]:
    """From a checkpoint or from a base model; the weights are loaded when first needed."""
    service, body = call.service, call.body
    session = service.registry.live_session(text(body, "session_id"))
    sampler_id = child_id(session.id, "sample", integer(body, "sampling_session_seq_id"))
    if sampler_id not in service.registry.samplers:
        model_path = optional_text(body, "model_path")
        path = None if model_path is None else parse_path(model_path)
        name = text(body, "base_model") if path is None else service.store.meta(path).base_model
        source = Source(model=await service.locate(name), path=path)
        service.scheduler.post(lambda: service.engine.add_source(sampler_id, source))
        service.adopt_sampler(
            SamplerRecord(
                id=sampler_id, session_id=session.id, base_model=name, model_path=model_path
            )
        )
    return {"type": "create_sampling_session", "sampling_session_id": sampler_id}


async def get_sampler(call: Call) -> dict[str, Any]:
    sampler = call.service.registry.sampler(call.place("sampler_id"))
    return {
        "sampler_id": sampler.id,
        "base_model": sampler.base_model,
        "model_path": sampler.model_path,
    }


async def join_sampling_session(call: Call) -> dict[str, Any]:
    """A number for one more copy of a sampling client, so that their requests never collide."""
    sampler = call.service.registry.sampler(text(call.body, "sampling_session_id"))
    sampler.joined += 1
    return {"type": "join_sampling_session", "client_counter": sampler.joined}


async def asample(call: Call) -> dict[str, Any]:
    service, body = call.service, call.body
    sampler = service.registry.sampler(text(body, "sampling_session_id"))
    number = integer(body, "seq_id")

    async def sample() -> bytes:
        request, layout = decode_sample_request(body)
        return encode_sample_result(await service.scheduler.sample(sampler.id, request), layout)

    future = service.futures.open(
        "sample", (sampler.id, number), sample, channel=(sampler.id, number // CLONE)
    )
    ids = [f"{sampler.id}:{number}:{index}" for index in range(_count(body))]
    return {"request_id": future.id, "sample_sequence_ids": ids}


def _count(body: Body) -> int:
    """How many sequences to announce; none where the request will fail anyway."""
    try:
        count = integer(body, "num_samples", 1, minimum=1)
    except RequestError:
        return 0
    return count if count <= MAX_SAMPLES else 0


async def retrieve_future(call: Call) -> Response:
    request_id = text(call.body, "request_id")
    futures = call.service.futures
    if request_id not in futures.by_id:
        if request_id.startswith("sample-"):  # from before a restart: the client samples again
            raise GoneError(f"sample request {request_id} is not known any more")
        raise NotFoundError(f"there is no request {request_id!r}")
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
    """Which samples of one client of one sampler have finished since it last asked."""
    body, service = call.body, call.service
    target = record(body, "target")
    sampler = service.registry.sampler(text(target, "sampling_session_id"))
    for request_id in strings(body, "retrieved_request_ids"):
        service.futures.forget(request_id)
    seconds = HOLD_S if body.get("timeout") is None else 0.0
    finished, cursor = await service.futures.channel(
        sampler.id, integer(target, "cloned_sampler_id", 0)
    ).wait(integer(body, "prev_cursor", 0), seconds)
    completions: list[dict[str, Any]] = []
    for future in finished:
        row: dict[str, Any] = {"state": "failed", "request_id": future.id}
        if isinstance(future.outcome, bytes):
            row["state"] = "finished"
            row["response_payload_uncompressed_size"] = len(future.outcome)
        completions.append(row)
    return {"completions": completions, "cursor": cursor}


async def cancel_future(call: Call) -> dict[str, Any]:
    """Give up a sample; training operations keep their place and run."""
    request_id = text(call.body, "request_id")
    if request_id.startswith("sample-"):
        call.service.futures.cancel(request_id)
    return {}


ROUTES: list[Route] = [
    route("/create_sampling_session", create_sampling_session, "POST"),
    route("/samplers/{sampler_id}", get_sampler, "GET"),
    route("/join_sampling_session", join_sampling_session, "POST"),
    route("/asample", asample, "POST"),
    route("/retrieve_future", retrieve_future, "POST"),
    route("/retrieve_futures", retrieve_futures, "POST"),
    route("/cancel_future", cancel_future, "POST"),
]
