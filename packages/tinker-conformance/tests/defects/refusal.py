"""Wrong requests that are served, and answers of the REST interface that are not true."""

from __future__ import annotations

import attrs
import numpy as np

from defects.defect import defect
from defects.seams import change_data, change_request
from tinker_local.api import json_bodies
from tinker_local.api.routes import rest, training
from tinker_local.storage.checkpoint_store import Store
from tinker_local.training import losses as engine_losses
from tinker_local.training import packing


@defect("refusal/unknown_config_key")
def unknown_keys_are_ignored(monkeypatch):
    """Keys of loss_fn_config that a loss does not know are dropped."""

    def changed(request):
        known = engine_losses.LOSSES[request.loss_fn].config
        return attrs.evolve(
            request, config={k: request.config[k] for k in request.config if k in known}
        )

    change_request(monkeypatch, changed)


@defect("refusal/unknown_loss")
def unknown_losses_are_cross_entropy(monkeypatch):
    """A loss of no such name is computed as cross-entropy."""

    def changed(request):
        known = request.loss_fn in engine_losses.LOSSES
        return request if known else attrs.evolve(request, loss_fn="cross_entropy")

    change_request(monkeypatch, changed)


@defect("refusal/wrong_length")
def lengths_are_made_to_fit(monkeypatch):
    """Inputs that are too long or too short are cut or padded."""
    original = packing._column

    def column(place, values, shape):
        fitted = np.resize(np.append(values.ravel(), 0), np.prod(shape, dtype=int))
        return original(place, fitted.reshape(shape), shape)

    monkeypatch.setattr(packing, "_column", column)


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
    monkeypatch.setattr(training, "check_optimizer", lambda body: None)


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
    monkeypatch.setattr(Store, "delete", lambda self, path: None)


@defect("rest/pages")
def offsets_are_ignored(monkeypatch):
    """Every page of a list is its first."""
    original = rest._page

    def page(call, rows, limit):
        _, cursor = original(call, rows, limit)
        return rows[: cursor["limit"]], cursor

    monkeypatch.setattr(rest, "_page", page)


@defect("ttl/an_hour")
def lifetimes_are_dropped(monkeypatch):
    """ttl_seconds is accepted and forgotten."""
    monkeypatch.setattr(training, "expiry", lambda seconds: None)


@defect("ttl/smallest")
def lifetimes_are_rounded_up(monkeypatch):
    """A lifetime below an hour becomes an hour in silence."""
    original = training.expiry
    monkeypatch.setattr(
        training, "expiry", lambda seconds: original(seconds and max(seconds, 3600))
    )


@defect("image/in_a_prompt")
def images_are_dropped(monkeypatch):
    """Image chunks of a prompt are left out in silence."""
    original = json_bodies.decode_prompt

    def decode(body):
        chunks = [c for c in body["prompt"]["chunks"] if c.get("type") == "encoded_text"]
        return original({"prompt": {"chunks": chunks}})

    monkeypatch.setattr(json_bodies, "decode_prompt", decode)
