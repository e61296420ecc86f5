"""Routes: models in training, and their forward, backward and optimizer steps.

An invalid field of an operation fails through its future. A rejected submission would leave a gap
in the model's numbers, which the client never fills.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.routing import Route

from tinker_local.api.http import Call, route
from tinker_local.api.json_bodies import Body, Count, Integer, Positive, Size, Text, decode_body
from tinker_local.api.protobuf_codec import (
    decode_loss_request,
    encode_loss_result,
    parse_loss_request,
)
from tinker_local.errors import RequestError
from tinker_local.request_types import AdamParams, LoraSpec
from tinker_local.service.futures import Start
from tinker_local.service.loaded_models import ModelLocation
from tinker_local.service.service import Service
from tinker_local.service.sessions import ModelRecord, child_id, string_values


class NewModel(Body, frozen=True, kw_only=True):
    """The fields that identify a model to be created."""

    session_id: Text
    model_seq_id: Count

    @property
    def model_id(self) -> str:
        """The id of the model."""
        return child_id(self.session_id, "train", self.model_seq_id)


class Operation(Body, frozen=True, kw_only=True):
    """The fields that identify an operation of a model."""

    model_id: Text
    seq_id: Positive


class _Lora(Body, frozen=True, kw_only=True):
    rank: Positive = 32
    seed: Integer | None = None
    train_attn: bool = True
    train_mlp: bool = True
    train_unembed: bool = True


class _Optimizer(Body, frozen=True, kw_only=True):
    type: str | None = "adamw"


class ModelOptions(Body, frozen=True, kw_only=True):
    """The fields that creating a model shares with creating one from a checkpoint."""

    base_model: Text | None = None
    user_metadata: dict[str, Any] | None = None
    optimizer_config: _Optimizer | None = None

    def check_optimizer(self) -> None:
        """RequestError unless the optimizer, if any is named, is AdamW."""
        kind = "adamw" if self.optimizer_config is None else self.optimizer_config.type
        if kind != "adamw":
            raise RequestError(f"unsupported optimizer_config.type {kind!r}: expected 'adamw'")


class CreateModel(ModelOptions, frozen=True, kw_only=True):
    """The options of a new model."""

    base_model: Text
    lora_config: _Lora = _Lora()

    def lora_spec(self) -> LoraSpec:
        """The LoRA to train."""
        lora = self.lora_config
        if not (lora.train_attn or lora.train_mlp or lora.train_unembed):
            raise RequestError("lora_config: at least one of train_attn, train_mlp, train_unembed")
        return LoraSpec(**msgspec.structs.asdict(lora))


_Beta = Annotated[float, Meta(ge=0, lt=1)]


class _Adam(Body, frozen=True, kw_only=True):
    learning_rate: Size = 1e-4
    beta1: _Beta = 0.9
    beta2: _Beta = 0.95
    eps: Size = 1e-12
    weight_decay: Size = 0.0
    grad_clip_norm: Size = 0.0


class _OptimStep(Body, frozen=True, kw_only=True):
    adam_params: _Adam | None = None
    optimizer_params: _Optimizer | None = None


class _GetInfo(Body, frozen=True, kw_only=True):
    model_id: Text


async def create_model(call: Call) -> dict[str, Any]:
    """Create a model: a new LoRA adapter on a base model."""
    service, new = call.service, call.body(NewModel)

    async def create() -> dict[str, Any]:
        body = call.body(CreateModel)
        body.check_optimizer()
        service.registry.check_new(new.model_id)
        spec = body.lora_spec()
        location = await service.locate(body.base_model)
        architecture = await service.worker.call(
            lambda: service.models.create_run(new.model_id, location, spec)
        )
        service.add_model(model_record(new, body, location, spec, architecture))
        return {"type": "create_model", "model_id": new.model_id}

    return submit_creation(service, new, create)


def submit_creation(service: Service, new: NewModel, create: Start) -> dict[str, Any]:
    """Run `create` for a living session; the reply to the client."""
    service.registry.live_session(new.session_id)
    key = (new.session_id, "train", new.model_seq_id)
    return service.submit_unordered("create_model", key, create)


def model_record(
    new: NewModel,
    options: ModelOptions,
    location: ModelLocation,
    spec: LoraSpec,
    architecture: str,
) -> ModelRecord:
    """The record of a model that was created."""
    return ModelRecord(
        id=new.model_id,
        session_id=new.session_id,
        base_model=location.name,
        spec=spec,
        architecture=architecture,
        folder=str(location.folder),
        user_metadata=string_values(options.user_metadata or {}),
    )


async def get_info(call: Call) -> dict[str, Any]:
    """The base model and the LoRA of a model."""
    model = call.service.registry.model(call.body(_GetInfo).model_id)
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
    """A loss and, unless `forward_only`, its gradient."""
    if "protobuf" not in call.request.headers.get("content-type", ""):
        raise RequestError("forward_backward takes protobuf, as tinker 0.25 and later send it")
    message = parse_loss_request(call.raw)
    service = call.service
    model = service.registry.model(message.model_id)
    if message.seq_id < 1:
        raise RequestError(f"seq_id: expected at least 1, got {message.seq_id}", field="seq_id")

    def work() -> bytes:
        trainer = service.models.run(model.id).trainer
        return encode_loss_result(trainer.loss(decode_loss_request(message)))

    return service.submit("forward_backward", model, message.seq_id, work)


async def optim_step(call: Call) -> dict[str, Any]:
    """A step of AdamW with the accumulated gradient."""
    service, operation = call.service, call.body(Operation)
    model = service.registry.model(operation.model_id)

    def work() -> dict[str, Any]:
        trainer = service.models.run(model.id).trainer
        return {"metrics": trainer.optim_step(decode_adam_params(call.raw))}

    return service.submit("optim_step", model, operation.seq_id, work)


def decode_adam_params(raw: bytes) -> AdamParams:
    """The `adam_params` of optim_step. Absent fields take the API's defaults."""
    body = decode_body(raw, _OptimStep)
    if body.optimizer_params is not None:
        kind = body.optimizer_params.type
        raise RequestError(f"unsupported optimizer_params.type {kind!r}: expected adam_params")
    return AdamParams(**msgspec.structs.asdict(body.adam_params or _Adam()))


ROUTES: list[Route] = [
    route("/create_model", create_model, "POST"),
    route("/get_info", get_info, "POST"),
    route("/forward_backward", forward_backward, "POST"),
    route("/optim_step", optim_step, "POST"),
]
