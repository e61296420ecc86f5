"""Wrong requests that are served, and answers of the REST interface that are not true."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs
import msgspec
import numpy as np

from defects.defect import defect
from defects.seams import change_data, change_request
from tinker_local.api import protobuf_codec, sample_body
from tinker_local.api.routes import checkpoints, server_status, training_runs, weights
from tinker_local.api.routes.training import ModelOptions
from tinker_local.errors import RequestError
from tinker_local.request_types import LoraSpec
from tinker_local.storage.checkpoint_store import CheckpointMetadata, CheckpointStore
from tinker_local.training import loss_inputs
from tinker_local.training.losses import built_in_losses


@defect("refusal/unknown_config_key")
def unknown_keys_are_ignored(monkeypatch):
    """Keys of loss_fn_config that a loss does not know are dropped."""

    def changed(request):
        known = {field.name for field in attrs.fields(built_in_losses()[request.loss_fn])}
        return attrs.evolve(
            request, config={k: request.config[k] for k in request.config if k in known}
        )

    change_request(monkeypatch, changed)


@defect("refusal/unknown_loss")
def unknown_losses_are_cross_entropy(monkeypatch):
    """A loss of no such name is computed as cross-entropy."""

    def changed(request):
        known = request.loss_fn in built_in_losses()
        return request if known else attrs.evolve(request, loss_fn="cross_entropy")

    change_request(monkeypatch, changed)


@defect("refusal/wrong_length")
def lengths_are_made_to_fit(monkeypatch):
    """Inputs that are too long or too short are cut or padded."""
    original = loss_inputs._check_input

    def check_input(place, values, shape):
        fitted = np.resize(np.append(values.ravel(), 0), np.prod(shape, dtype=int))
        return original(place, fitted.reshape(shape), shape)

    monkeypatch.setattr(loss_inputs, "_check_input", check_input)


@defect("refusal/unknown_token")
def tokens_wrap_around(monkeypatch):
    """Tokens outside of the vocabulary are taken modulo its size."""

    def changed(request):
        data = tuple(attrs.evolve(d, tokens=d.tokens % 259) for d in request.data)
        return attrs.evolve(request, data=data)

    change_request(monkeypatch, changed)


@defect("refusal/not_a_number")
def not_a_number_is_zero(monkeypatch):
    """NaN in an input counts as 0."""
    change_data(
        monkeypatch,
        lambda inputs: {
            name: np.nan_to_num(column) if column.dtype.kind == "f" else column
            for name, column in inputs.items()
        },
    )


@defect("refusal/other_optimizer")
def every_optimizer_is_adam(monkeypatch):
    """Another optimizer than Adam is accepted, and Adam taken."""
    monkeypatch.setattr(ModelOptions, "check_optimizer", lambda self: None)


@defect("limit/longest_datum")
def long_datums_are_cut(monkeypatch):
    """A datum beyond the context is cut in silence."""

    def changed(request):
        data = tuple(
            attrs.evolve(
                datum,
                tokens=datum.tokens[:1024],
                inputs={name: column[:1024] for name, column in datum.inputs.items()},
            )
            for datum in request.data
        )
        return attrs.evolve(request, data=data)

    change_request(monkeypatch, changed)


@defect("rest/delete")
def deleted_checkpoints_stay(monkeypatch):
    """Deleting a checkpoint answers yes and does nothing."""
    monkeypatch.setattr(CheckpointStore, "delete", lambda self, path: None)


@defect("rest/pages")
def offsets_are_ignored(monkeypatch):
    """Every page of a list is its first."""
    original = checkpoints.page

    def page(call, rows, limit):
        _, cursor = original(call, rows, limit)
        return rows[: cursor["limit"]], cursor

    for module in (checkpoints, training_runs):
        monkeypatch.setattr(module, "page", page)


@defect("ttl/an_hour")
def lifetimes_are_dropped(monkeypatch):
    """ttl_seconds is accepted and forgotten."""
    monkeypatch.setattr(weights, "expiry", lambda seconds: None)


@defect("ttl/smallest")
def lifetimes_are_rounded_up(monkeypatch):
    """A lifetime below an hour becomes an hour in silence."""
    original = weights.expiry
    monkeypatch.setattr(weights, "expiry", lambda seconds: original(seconds and max(seconds, 3600)))


@defect("image/in_a_prompt")
def images_are_dropped(monkeypatch):
    """Image chunks of a prompt are left out in silence."""
    original = sample_body._decode_prompt

    def decode(prompt):
        chunks = [chunk for chunk in prompt.chunks if chunk.type == "encoded_text"]
        return original(msgspec.structs.replace(prompt, chunks=chunks))

    monkeypatch.setattr(sample_body, "_decode_prompt", decode)


@defect("refusal/unknown_checkpoint")
def unknown_checkpoints_are_new_models(monkeypatch):
    """Sampling a checkpoint that does not exist samples from something."""
    original = CheckpointStore.metadata

    def metadata(self, path):
        try:
            return original(self, path)
        except RequestError:
            return CheckpointMetadata(
                base_model="local/tiny", spec=LoraSpec(), created=datetime.now(UTC)
            )

    monkeypatch.setattr(CheckpointStore, "metadata", metadata)


@defect("limit/capabilities")
def no_model_is_listed(monkeypatch):
    """The capabilities list no model."""
    monkeypatch.setattr(server_status, "_models", list)


@defect("ttl/none")
def everything_expires(monkeypatch):
    """A checkpoint without a lifetime lives for an hour."""
    original = weights.expiry
    monkeypatch.setattr(weights, "expiry", lambda seconds: original(seconds or 3600))


@defect("image/in_a_datum")
def images_are_padding(monkeypatch):
    """An image in a datum counts as so many padding tokens."""
    original = protobuf_codec._decode_chunk

    def decode(chunk, where):
        if chunk.WhichOneof("chunk") == "image":
            return np.zeros(16, np.int64)
        return original(chunk, where)

    monkeypatch.setattr(protobuf_codec, "_decode_chunk", decode)
