"""Routes: saving, loading, copying and describing weights."""

from __future__ import annotations

import uuid
from typing import Any, Literal

from starlette.routing import Route

from tinker_local.api.http import Call, route
from tinker_local.api.json_bodies import Body, Count, Positive, Text
from tinker_local.api.routes.training import (
    ModelOptions,
    NewModel,
    Operation,
    model_record,
    submit_creation,
)
from tinker_local.errors import RequestError
from tinker_local.service.service import Service
from tinker_local.service.sessions import (
    ModelRecord,
    SamplerRecord,
    child_id,
    string_values,
    utc_now,
)
from tinker_local.storage.checkpoint_path import CheckpointPath, make_path, parse_path
from tinker_local.storage.checkpoint_store import CheckpointMetadata, expiry


class _Save(Operation, frozen=True, kw_only=True):
    path: Text | None = None
    """The name of the checkpoint."""
    ttl_seconds: Positive | None = None
    overwrite: bool = False
    user_metadata: dict[str, Any] | None = None
    age_encryption_recipients: list[str] | None = None


class _SaveSampler(_Save, frozen=True, kw_only=True):
    sampling_session_seq_id: Count | None = None
    kind: Literal["snapshot", "inflight"] = "snapshot"


class _SaveTarget(Operation, frozen=True, kw_only=True):
    path: Any = None


class _Load(Body, frozen=True, kw_only=True):
    path: Text
    optimizer: bool = False


class _CreateFromCheckpoint(ModelOptions, frozen=True, kw_only=True):
    path: Text
    optimizer: bool = False


class _LoadTarget(Body, frozen=True, kw_only=True):
    session_id: Text | None = None


class _WeightsInfo(Body, frozen=True, kw_only=True):
    tinker_path: Text


class _Copy(Body, frozen=True, kw_only=True):
    source_path: Text
    session_id: Text | None = None
    model_seq_id: Count | None = None
    ttl_seconds: Positive | None = None


def _save(
    service: Service, model: ModelRecord, kind: str, body: _Save
) -> tuple[CheckpointPath, int]:
    """Write a checkpoint under the client's name, or its number; its path and size in bytes."""
    path = make_path(model.id, kind, body.path or f"{body.seq_id:06d}")
    metadata = CheckpointMetadata(
        base_model=model.base_model,
        spec=model.spec,
        created=utc_now(),
        expires=expiry(body.ttl_seconds),
        user_metadata=string_values(body.user_metadata or {}),
        run_metadata=model.user_metadata,
    )
    return path, service.models.save_run(model.id, path, metadata, overwrite=body.overwrite)


async def save_weights(call: Call) -> dict[str, Any]:
    """Write a training checkpoint: the adapter and the optimizer."""
    service, operation = call.service, call.body(Operation)
    model = service.registry.model(operation.model_id)

    def work() -> dict[str, Any]:
        path, _ = _save(service, model, "weights", call.body(_Save))
        return {"type": "save_weights", "path": str(path)}

    return service.submit("save_weights", model, operation.seq_id, work)


async def save_weights_external(call: Call) -> dict[str, Any]:
    """Write an adapter that can be downloaded."""
    service, operation = call.service, call.body(Operation)
    model = service.registry.model(operation.model_id)

    def work() -> dict[str, Any]:
        body = call.body(_Save)
        if body.age_encryption_recipients:
            raise RequestError("age_encryption_recipients: this engine does not encrypt weights")
        path, size = _save(service, model, "external_weights", body)
        return {"type": "save_weights_external", "path": str(path), "size_bytes": size}

    return service.submit("save_weights_external", model, operation.seq_id, work)


async def save_weights_for_sampler(call: Call) -> dict[str, Any]:
    """Write a named sampler checkpoint or, without a name, make a sampler of a snapshot."""
    service, target = call.service, call.body(_SaveTarget)
    model = service.registry.model(target.model_id)

    async def save() -> dict[str, Any]:
        reply = {"type": "save_weights_for_sampler"}
        if target.path is not None:
            path, _ = await service.worker.run_operation(
                model.id,
                target.seq_id,
                lambda: _save(service, model, "sampler_weights", call.body(_SaveSampler)),
            )
            return {**reply, "path": str(path)}
        sampler = await service.worker.run_operation(
            model.id, target.seq_id, lambda: _snapshot(service, model, call.body(_SaveSampler))
        )
        service.add_sampler(sampler)
        return {**reply, "path": None, "sampling_session_id": sampler.id}

    key = (model.id, target.seq_id)
    future = service.futures.open("save_weights_for_sampler", key, save)
    return {"request_id": future.id, "model_id": model.id}


def _snapshot(service: Service, model: ModelRecord, body: _SaveSampler) -> SamplerRecord:
    if body.sampling_session_seq_id is None:
        raise RequestError("sampling_session_seq_id: missing required field without a path")
    sampler_id = child_id(model.session_id, "sample", body.sampling_session_seq_id)
    service.models.snapshot(model.id, sampler_id, inflight=body.kind == "inflight")
    return SamplerRecord(
        id=sampler_id,
        session_id=model.session_id,
        base_model=model.base_model,
        model_path=None,
    )


async def load_weights(call: Call) -> dict[str, Any]:
    """Load a checkpoint into a model or, with a session instead of a model, into a new one."""
    service = call.service
    if call.body(_LoadTarget).session_id is not None:
        return _create_from_checkpoint(call)
    operation = call.body(Operation)
    model = service.registry.model(operation.model_id)

    def work() -> dict[str, Any]:
        body = call.body(_Load)
        path = parse_path(body.path)
        service.models.load_run(model.id, path, optimizer=body.optimizer)
        return {"type": "load_weights", "path": str(path), "model_id": model.id}

    return service.submit("load_weights", model, operation.seq_id, work)


def _create_from_checkpoint(call: Call) -> dict[str, Any]:
    service, new = call.service, call.body(NewModel)

    async def create() -> dict[str, Any]:
        body = call.body(_CreateFromCheckpoint)
        body.check_optimizer()
        service.registry.check_new(new.model_id)
        path = parse_path(body.path)
        metadata = service.checkpoints.metadata(path)
        if body.base_model not in (None, metadata.base_model):
            raise RequestError(
                f"{path} was trained on {metadata.base_model}, not on {body.base_model}"
            )
        location = await service.locate(metadata.base_model)
        architecture = await service.worker.call(
            lambda: service.models.create_run_from(
                new.model_id, location, path, optimizer=body.optimizer
            )
        )
        service.add_model(model_record(new, body, location, metadata.spec, architecture))
        return {"type": "load_weights", "path": str(path), "model_id": new.model_id}

    return submit_creation(service, new, create)


async def weights_info(call: Call) -> dict[str, Any]:
    """The base model and the LoRA of a checkpoint."""
    path = parse_path(call.body(_WeightsInfo).tinker_path)
    metadata = call.service.checkpoints.metadata(path)
    return {
        "base_model": metadata.base_model,
        "is_lora": True,
        "lora_rank": metadata.spec.rank,
        "train_unembed": metadata.spec.train_unembed,
        "train_mlp": metadata.spec.train_mlp,
        "train_attn": metadata.spec.train_attn,
    }


async def copy_weights(call: Call) -> dict[str, Any]:
    """An independent copy of a checkpoint, in a run of its own or in one that the client names."""
    body = call.body(_Copy)
    source = parse_path(body.source_path)
    if body.session_id is None:
        run_id = child_id(f"copy-{uuid.uuid4().hex[:16]}", "train", 0)
    else:
        call.service.registry.live_session(body.session_id)
        if body.model_seq_id is None:
            raise RequestError("model_seq_id: missing required field with a session_id")
        run_id = child_id(body.session_id, "train", body.model_seq_id)
    target = make_path(run_id, source.kind, source.name)
    call.service.checkpoints.copy(source, target, expiry(body.ttl_seconds))
    return {"tinker_path": str(target)}


ROUTES: list[Route] = [
    route("/save_weights", save_weights, "POST"),
    route("/save_weights_external", save_weights_external, "POST"),
    route("/save_weights_for_sampler", save_weights_for_sampler, "POST"),
    route("/load_weights", load_weights, "POST"),
    route("/weights_info", weights_info, "POST"),
    route("/copy_weights", copy_weights, "POST"),
]
