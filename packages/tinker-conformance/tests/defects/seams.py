"""The places of the engine through which many defects go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from tinker_local.api.routes import samplers
from tinker_local.request_types import AdamParams, LossRequest, LossResult, SampleRequest
from tinker_local.training.losses import built_in_losses
from tinker_local.training.optimizer import Optimizer
from tinker_local.training.trainer import Trainer


def change_request(monkeypatch, change: Callable[[LossRequest], LossRequest]) -> None:
    """Compute another loss request than the one that came."""
    original = Trainer.loss
    monkeypatch.setattr(Trainer, "loss", lambda self, request: original(self, change(request)))


def change_result(monkeypatch, change: Callable[[LossRequest, LossResult], LossResult]) -> None:
    """Answer a loss request with something else."""
    original = Trainer.loss
    monkeypatch.setattr(
        Trainer, "loss", lambda self, request: change(request, original(self, request))
    )


def change_data(monkeypatch, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Change the inputs of every datum."""

    def changed(request: LossRequest) -> LossRequest:
        data = tuple(attrs.evolve(d, inputs=change(dict(d.inputs))) for d in request.data)
        return attrs.evolve(request, data=data)

    change_request(monkeypatch, changed)


def change_loss(monkeypatch, name: str, token_losses: Callable[..., Any]) -> None:
    """Replace the formula of a loss."""
    monkeypatch.setattr(built_in_losses()[name], "token_losses", token_losses)


def change_adam(monkeypatch, change: Callable[[AdamParams], AdamParams]) -> None:
    """Step with other hyperparameters than those that came."""
    original = Optimizer.step
    monkeypatch.setattr(Optimizer, "step", lambda self, params: original(self, change(params)))


def change_sampling(monkeypatch, **fields: Any) -> None:
    """Sample with fixed values in some fields of every request."""
    change_sample_request(monkeypatch, lambda request: attrs.evolve(request, **fields))


def change_sample_request(monkeypatch, change: Callable[[SampleRequest], SampleRequest]) -> None:
    original = samplers.decode_sample_request

    def changed(raw):
        request, layout = original(raw)
        return change(request), layout

    monkeypatch.setattr(samplers, "decode_sample_request", changed)


def change_sample_result(monkeypatch, change: Callable[[Any], Any]) -> None:
    original = samplers.encode_sample_result
    monkeypatch.setattr(
        samplers, "encode_sample_result", lambda result, layout: original(change(result), layout)
    )


def change_sequences(monkeypatch, change: Callable[[Any], Any]) -> None:
    change_sample_result(
        monkeypatch,
        lambda result: attrs.evolve(result, sequences=tuple(map(change, result.sequences))),
    )
