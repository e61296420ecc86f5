"""The trainer of one client: an adapter, its gradient and its optimizer, on a shared base model."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tinker_local.errors import RequestError
from tinker_local.model import lora_adapter
from tinker_local.model.base import BaseModel
from tinker_local.model.lora_adapter import LoraAdapter
from tinker_local.request_types import AdamParams, LoraSpec, LossRequest, LossResult
from tinker_local.training import forward_backward
from tinker_local.training.forward_backward import TokenLosses
from tinker_local.training.loss_inputs import check_request
from tinker_local.training.losses import LossRegistry, built_in_losses
from tinker_local.training.losses.registry import configure_loss
from tinker_local.training.optimizer import Optimizer
from tinker_local.training.packing import MicroBatch, collate, pack

_OPTIMIZER = "optimizer."


class Trainer:
    """Losses, gradients and optimizer steps of one adapter."""

    def __init__(self, base: BaseModel, spec: LoraSpec, losses: LossRegistry | None = None) -> None:
        self._base = base
        self._losses = built_in_losses() if losses is None else losses
        self._rank = spec.rank
        self._targets = lora_adapter.select_targets(base.targets, spec)
        self._adapter = lora_adapter.zero_adapter(
            self._targets, spec.rank, base.device, torch.float32
        )
        lora_adapter.initialise(self._adapter, spec.seed)
        self._optimizer = Optimizer(self._adapter.flat)
        self._gradient = torch.zeros_like(self._adapter.flat)
        """The gradient of the request in progress; the optimizer gets it if that succeeds."""
        gradients = self._from_flat(self._gradient).pairs
        for path, pair in self._adapter.pairs.items():
            pair.a.requires_grad_().grad = gradients[path].a
            pair.b.requires_grad_().grad = gradients[path].b

    @property
    def layers(self) -> dict[str, int]:
        """The number of trained layers by kind."""
        return lora_adapter.count_targets(self._targets)

    @property
    def target_parameters(self) -> tuple[str, ...]:
        """The trained parameters that hold many experts."""
        return tuple(target.path for target in self._targets if target.experts is not None)

    def loss(self, request: LossRequest) -> LossResult:
        """The loss of the data. Unless `forward_only`, accumulate its gradient for the next step.

        RequestError when the request is invalid or a loss is not finite; the accumulated gradient
        is then unchanged.
        """
        loss = configure_loss(self._losses, request.loss_fn, request.config)
        datums = check_request(request, loss, self._base)
        outputs: list[dict[str, NDArray[np.float32]]] = [{} for _ in datums]
        total = 0.0
        self._gradient.zero_()  # a failed request may have left something
        run = (
            forward_backward.forward if request.forward_only else forward_backward.forward_backward
        )
        for group in pack(datums, forward_backward.MICRO_BATCH_TOKENS):
            batch = collate(group, self._base.device)
            total += _collect(batch, run(self._base, self._adapter, batch, loss), outputs)
        if not request.forward_only:
            self._optimizer.accumulate(self._gradient)
        return LossResult(outputs=tuple(outputs), metrics={"loss:sum": total})

    def optim_step(self, params: AdamParams) -> dict[str, float]:
        """One AdamW step with the accumulated gradient; see `Optimizer.step`."""
        return self._optimizer.step(params)

    def adapter(self) -> LoraAdapter:
        """A frozen copy of the adapter to sample with. Later steps do not change it."""
        return self._from_flat(self._adapter.flat.detach().to(self._base.dtype, copy=True))

    def state(self, *, optimizer: bool) -> dict[str, Tensor]:
        """Copies of the tensors on the CPU: the adapter's by PEFT's names, and the optimizer's.

        The accumulated gradient is not part of the state.
        """
        tensors = self._tensors(optimizer=optimizer)
        return {name: t.detach().to("cpu", copy=True) for name, t in tensors.items()}

    def load_state(self, tensors: Mapping[str, Tensor], *, optimizer: bool) -> None:
        """Replace the weights, and the moments if `optimizer`; otherwise the optimizer is reset.

        The accumulated gradient is dropped. RequestError, with nothing changed, when names or
        shapes differ.
        """
        if not optimizer:
            tensors = {n: t for n, t in tensors.items() if not n.startswith(_OPTIMIZER)}
        lora_adapter.copy_tensors(self._tensors(optimizer=optimizer), tensors)
        if optimizer:
            self._optimizer.zero_grad()
        else:
            self._optimizer.reset()

    def _from_flat(self, flat: Tensor) -> LoraAdapter:
        return lora_adapter.adapter_from_flat(self._targets, self._rank, flat)

    def _tensors(self, *, optimizer: bool) -> dict[str, Tensor]:
        """The adapter's tensors and, if asked, the optimizer's under `optimizer.`."""
        tensors = self._adapter.tensors()
        if not optimizer:
            return tensors
        tensors[f"{_OPTIMIZER}step"] = self._optimizer.steps
        for moment in ("exp_avg", "exp_avg_sq"):
            by_name = self._from_flat(getattr(self._optimizer, moment)).tensors()
            tensors |= {f"{_OPTIMIZER}{moment}.{name}": t for name, t in by_name.items()}
        return tensors


def _collect(
    batch: MicroBatch, result: TokenLosses, outputs: list[dict[str, NDArray[np.float32]]]
) -> float:
    """Put the logprobs of each datum into its output; the loss of the micro-batch.

    RequestError when the loss of a datum is not finite, for example because its `logprobs` are far
    from the model's.
    """
    total = 0.0
    for datum, lp, losses in zip(
        batch.datums,
        torch.split(result.lp.cpu(), batch.lengths),
        torch.split(result.losses.cpu(), batch.lengths),
        strict=True,
    ):
        loss = float(losses.sum(dtype=torch.float64))
        if not math.isfinite(loss):
            raise RequestError(f"datum {datum.index}: its loss is {loss}")
        width = datum.targets.shape[1]
        outputs[datum.index]["logprobs"] = lp[:, :width].numpy().reshape(datum.shape)
        total += loss
    return total
