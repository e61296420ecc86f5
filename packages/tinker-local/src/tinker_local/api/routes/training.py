"""Routes: models, their training steps, their checkpoints.

A wrong field of an operation fails through its future: a refused submission would leave a hole in
the model's numbering, which the client never fills.
"""

from __future__ import annotations

from typing import Any

from starlette.routing import Route

from tinker_local.api.http import Call, route
from tinker_local.api.json_bodies import (
    Body,
    check_optimizer,
    decode_adam_params,
    decode_lora_spec,
    flag,
    integer,
    optional_integer,
    optional_text,
    record,
    strings,
    text,
)
from tinker_local.api.protobuf_codec import (
    decode_loss_request,
    encode_loss_result,
    parse_loss_request,
)
from tinker_local.errors import RequestError
from tinker_local.request_types import LoraSpec
from tinker_local.service.loaded_models import ModelName
from tinker_local.service.service import Service
from tinker_local.service.sessions import Model, SamplerRecord, child_id, now, string_values
from tinker_local.storage.checkpoint_path import TinkerPath, make_path, parse_path
from tinker_local.storage.checkpoint_store import Meta, expiry


async def create_model(call: Call) -> dict[str, Any]:
    service, body = call.service, call.body
    session_id, number = text(body, "session_id"), integer(body, "model_seq_id")
    service.registry.live_session(session_id)
    model_id = child_id(session_id, "train", number)

    async def create() -> dict[str, Any]:
        check_optimizer(body)
        service.registry.check_new(model_id)
        spec = decode_lora_spec(body)
        located = await service.locate(text(body, "base_model"))
        architecture = await service.scheduler.call(
            lambda: service.engine.create_run(model_id, located, spec)
        )
        service.adopt_model(_model(model_id, body, located, spec, architecture))
        return {"type": "create_model", "model_id": model_id}

    return service.submit_free("create_model", (session_id, "train", number), create)


def _model(
    model_id: str, body: Body, located: ModelName, spec: LoraSpec, architecture: str
) -> Model:
    return Model(
        id=model_id,
        session_id=text(body, "session_id"),
        base_model=located.name,
        spec=spec,
        architecture=architecture,
        folder=str(located.folder),
        user_metadata=string_values(record(body, "user_metadata")),
    )


async def get_info(call: Call) -> dict[str, Any]:
    model = call.service.registry.model(text(call.body, "model_id"))
    return {
        "type": "get_info",
        "model_id": model.id,
        "model_name": model.base_model,
        "is_lora": True,
        "lora_rank": model.spec.rank,
        "model_data": {
            "arch": model.architecture,
            "model_name": model.base_model,
            "tokenizer_id": model.folder,
        },
    }


async def forward_backward(call: Call) -> dict[str, Any]:
    if "protobuf" not in call.request.headers.get("content-type", ""):
        raise RequestError("forward_backward takes protobuf, as tinker 0.25 and later send it")
    message = parse_loss_request(call.raw)
    service = call.service
    model = service.registry.model(message.model_id)

    def work() -> bytes:
        trainer = service.engine.run(model.id).trainer
        return encode_loss_result(trainer.loss(decode_loss_request(message)))

    return service.submit("forward_backward", model, _number({"seq_id": message.seq_id}), work)


def _number(body: Body) -> int:
    return integer(body, "seq_id", minimum=1)


async def optim_step(call: Call) -> dict[str, Any]:
    service, body = call.service, call.body
    model = service.registry.model(text(body, "model_id"))

    def work() -> dict[str, Any]:
        trainer = service.engine.run(model.id).trainer
        return {"metrics": trainer.optim_step(decode_adam_params(body))}

    return service.submit("optim_step", model, _number(body), work)


def _meta(model: Model, body: Body) -> Meta:
    return Meta(
        base_model=model.base_model,
        spec=model.spec,
        created=now(),
        expires=expiry(optional_integer(body, "ttl_seconds", minimum=1)),
        user_metadata=string_values(record(body, "user_metadata")),
        run_metadata=model.user_metadata,
    )


def _save(service: Service, model: Model, kind: str, body: Body) -> tuple[TinkerPath, int]:
    """Write a checkpoint, named by the client or by its number; its path and size in bytes."""
    name = optional_text(body, "path") or f"{_number(body):06d}"
    path = make_path(model.id, kind, name)
    size = service.engine.save_run(
        model.id, path, _meta(model, body), overwrite=flag(body, "overwrite")
    )
    return path, size


async def save_weights(call: Call) -> dict[str, Any]:
    service, body = call.service, call.body
    model = service.registry.model(text(body, "model_id"))

    def work() -> dict[str, Any]:
        path, _ = _save(service, model, "weights", body)
        return {"type": "save_weights", "path": str(path)}

    return service.submit("save_weights", model, _number(body), work)


async def save_weights_external(call: Call) -> dict[str, Any]:
    service, body = call.service, call.body
    model = service.registry.model(text(body, "model_id"))

    def work() -> dict[str, Any]:
        if strings(body, "age_encryption_recipients"):
            raise RequestError("age_encryption_recipients: this engine does not encrypt weights")
        path, size = _save(service, model, "external_weights", body)
        return {"type": "save_weights_external", "path": str(path), "size_bytes": size}

    return service.submit("save_weights_external", model, _number(body), work)


async def save_weights_for_sampler(call: Call) -> dict[str, Any]:
    """By name into the store, or (a sampling session's number instead of a name) for at once."""
    service, body = call.service, call.body
    model = service.registry.model(text(body, "model_id"))

    async def save() -> dict[str, Any]:
        answer = {"type": "save_weights_for_sampler"}
        if body.get("path") is not None:
            path, _ = await service.scheduler.in_order(
                model.id, number, lambda: _save(service, model, "sampler_weights", body)
            )
            return {**answer, "path": str(path)}
        sampler = await service.scheduler.in_order(
            model.id, number, lambda: _snapshot(service, model, body)
        )
        service.adopt_sampler(sampler)
        return {**answer, "path": None, "sampling_session_id": sampler.id}

    number = _number(body)
    future = service.futures.open("save_weights_for_sampler", (model.id, number), save)
    return {"request_id": future.id, "model_id": model.id}


def _snapshot(service: Service, model: Model, body: Body) -> SamplerRecord:
    kind = body.get("kind", "snapshot")
    if kind not in ("snapshot", "inflight"):
        raise RequestError(f"kind: expected snapshot or inflight, got {kind!r}")
    sampler_id = child_id(model.session_id, "sample", integer(body, "sampling_session_seq_id"))
    service.engine.snapshot(model.id, sampler_id, inflight=kind == "inflight")
    return SamplerRecord(
        id=sampler_id,
        session_id=model.session_id,
        base_model=model.base_model,
        model_path=None,
    )


async def load_weights(call: Call) -> dict[str, Any]:
    """Into a model that exists, or (a session instead of a model) into a new one."""
    service, body = call.service, call.body
    if body.get("session_id") is not None:
        return _create_from_checkpoint(service, body)
    model = service.registry.model(text(body, "model_id"))

    def work() -> dict[str, Any]:
        path = parse_path(text(body, "path"))
        service.engine.load_run(model.id, path, optimizer=flag(body, "optimizer"))
        return {"type": "load_weights", "path": str(path), "model_id": model.id}

    return service.submit("load_weights", model, _number(body), work)


def _create_from_checkpoint(service: Service, body: Body) -> dict[str, Any]:
    session_id, number = text(body, "session_id"), integer(body, "model_seq_id")
    service.registry.live_session(session_id)
    model_id = child_id(session_id, "train", number)

    async def create() -> dict[str, Any]:
        check_optimizer(body)
        service.registry.check_new(model_id)
        path = parse_path(text(body, "path"))
        meta = service.store.meta(path)
        wanted = optional_text(body, "base_model")
        if wanted not in (None, meta.base_model):
            raise RequestError(f"{path} was trained on {meta.base_model}, not on {wanted}")
        optimizer = flag(body, "optimizer")
        located = await service.locate(meta.base_model)
        architecture = await service.scheduler.call(
            lambda: service.engine.create_run_from(model_id, located, path, optimizer=optimizer)
        )
        service.adopt_model(_model(model_id, body, located, meta.spec, architecture))
        return {"type": "load_weights", "path": str(path), "model_id": model_id}

    return service.submit_free("create_model", (session_id, "train", number), create)


ROUTES: list[Route] = [
    route("/create_model", create_model, "POST"),
    route("/get_info", get_info, "POST"),
    route("/forward_backward", forward_backward, "POST"),
    route("/optim_step", optim_step, "POST"),
    route("/save_weights", save_weights, "POST"),
    route("/save_weights_external", save_weights_external, "POST"),
    route("/save_weights_for_sampler", save_weights_for_sampler, "POST"),
    route("/load_weights", load_weights, "POST"),
]
