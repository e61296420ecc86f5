"""Routes: samplers, and sampling."""

from __future__ import annotations

from typing import Any

from starlette.routing import Route

from tinker_local.api.http import Call, route
from tinker_local.api.json_bodies import Body, Count, Text
from tinker_local.api.protobuf_codec import encode_sample_result
from tinker_local.api.sample_body import MAX_SAMPLES, decode_sample_request
from tinker_local.errors import RequestError
from tinker_local.service.loaded_models import SamplerSource
from tinker_local.service.sessions import SamplerRecord, child_id
from tinker_local.storage.checkpoint_path import parse_path

CLONE = 1_000_000_000
"""Each clone of a sampling client numbers its requests in a block of so many."""


class _NewSampler(Body, frozen=True, kw_only=True):
    session_id: Text
    sampling_session_seq_id: Count
    base_model: Text | None = None
    model_path: Text | None = None


class _Join(Body, frozen=True, kw_only=True):
    sampling_session_id: Text


class _Submission(Body, frozen=True, kw_only=True):
    sampling_session_id: Text
    seq_id: Count
    num_samples: Any = 1


async def create_sampling_session(call: Call) -> dict[str, Any]:
    """Create a sampler of a checkpoint or a base model. Its weights are loaded when first used."""
    service, body = call.service, call.body(_NewSampler)
    session = service.registry.live_session(body.session_id)
    sampler_id = child_id(session.id, "sample", body.sampling_session_seq_id)
    if sampler_id not in service.registry.samplers:
        path = None if body.model_path is None else parse_path(body.model_path)
        name = body.base_model
        if path is not None:
            name = service.checkpoints.metadata(path).base_model
        if name is None:
            raise RequestError("base_model: missing required field without a model_path")
        source = SamplerSource(model=await service.locate(name), path=path)
        service.worker.post(lambda: service.models.add_sampler(sampler_id, source))
        service.add_sampler(
            SamplerRecord(
                id=sampler_id, session_id=session.id, base_model=name, model_path=body.model_path
            )
        )
    return {"type": "create_sampling_session", "sampling_session_id": sampler_id}


async def get_sampler(call: Call) -> dict[str, Any]:
    """One sampler."""
    sampler = call.service.registry.sampler(call.path_parameter("sampler_id"))
    return {
        "sampler_id": sampler.id,
        "base_model": sampler.base_model,
        "model_path": sampler.model_path,
    }


async def join_sampling_session(call: Call) -> dict[str, Any]:
    """A number for a clone of a sampling client, so that their requests never collide."""
    sampler = call.service.registry.sampler(call.body(_Join).sampling_session_id)
    sampler.joined += 1
    return {"type": "join_sampling_session", "client_counter": sampler.joined}


async def asample(call: Call) -> dict[str, Any]:
    """Sample from a prompt."""
    service, body = call.service, call.body(_Submission)
    sampler = service.registry.sampler(body.sampling_session_id)

    async def sample() -> bytes:
        request, layout = decode_sample_request(call.raw)
        return encode_sample_result(await service.worker.sample(sampler.id, request), layout)

    future = service.futures.open(
        "sample",
        (sampler.id, body.seq_id),
        sample,
        channel=(sampler.id, body.seq_id // CLONE),
    )
    count = body.num_samples
    is_valid = isinstance(count, int) and 1 <= count <= MAX_SAMPLES  # if not, the request fails
    ids = [f"{sampler.id}:{body.seq_id}:{i}" for i in range(count if is_valid else 0)]
    return {"request_id": future.id, "sample_sequence_ids": ids}


ROUTES: list[Route] = [
    route("/create_sampling_session", create_sampling_session, "POST"),
    route("/samplers/{sampler_id}", get_sampler, "GET"),
    route("/join_sampling_session", join_sampling_session, "POST"),
    route("/asample", asample, "POST"),
]
