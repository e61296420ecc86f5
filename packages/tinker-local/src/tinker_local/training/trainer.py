"""One training client: an adapter, its gradient and its optimizer, on a shared base model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tinker_local.errors import RequestError
from tinker_local.model import lora
from tinker_local.model.adapter import Adapter
from tinker_local.model.base import BaseModel
from tinker_local.model.limits import Limits
from tinker_local.request_types import AdamParams, LoraSpec, LossRequest, LossResult
from tinker_local.training.forward_backward import PACK_TOKENS, Scored, differentiate, evaluate
from tinker_local.training.losses import find_objective
from tinker_local.training.optimizer import Optimizer
from tinker_local.training.packing import Rows, check_request, pack

_OPTIMIZER = "optimizer."


class Trainer:
    """Losses, gradients and steps of one adapter; gradients accumulate from step to step."""

    def __init__(self, base: BaseModel, spec: LoraSpec) -> None:
        self._base = base
        self._rank = spec.rank
        self._sites = lora.targeted(base.sites, spec)
        self._weights = lora.empty_weights(self._sites, spec.rank, base.device, torch.float32)
        lora.initialise(self._weights, spec.seed)
        self._optimizer = Optimizer(self._weights.flat)
        self._scratch = torch.zeros_like(self._weights.flat)
        """The gradient of the request in progress, added to the optimizer's once it succeeded."""
        for pair, into in zip(
            self._weights.pairs.values(), self._laid_out(self._scratch).pairs.values(), strict=True
        ):
            pair.a.requires_grad_().grad = into.a
            pair.b.requires_grad_().grad = into.b

    def loss(self, request: LossRequest) -> LossResult:
        """Evaluate; unless `forward_only`, add the gradient to what waits for the next step.

        RequestError when the request is wrong or a loss is not finite; the gradient is then as
        before.
        """
        objective = find_objective(request.loss_fn, request.config)
        limits = Limits(vocab_size=self._base.vocab_size, context_length=self._base.context_length)
        data = check_request(request, objective.loss, limits)
        outputs: list[dict[str, NDArray[np.float32]]] = [{} for _ in data]
        total = 0.0
        self._scratch.zero_()  # what a failed request may have left
        run = evaluate if request.forward_only else differentiate
        for group in pack(data, PACK_TOKENS):
            scored = run(self._base, self._weights, group, objective)
            total += _collect(group, scored, outputs)
        if not request.forward_only:
            self._optimizer.accumulate(self._scratch)
        return LossResult(outputs=tuple(outputs), metrics={"loss:sum": total})

    def optim_step(self, params: AdamParams) -> dict[str, float]:
        """One AdamW step with the accumulated gradient; see `Optimizer.step` for what raises."""
        return self._optimizer.step(params)

    def adapter(self) -> Adapter:
        """A frozen copy to sample with: later training does not change it."""
        copied = self._weights.flat.detach().to(self._base.dtype, copy=True)
        return Adapter(weights=self._laid_out(copied))

    def state(self, *, optimizer: bool) -> dict[str, Tensor]:
        """Copies on the CPU, under PEFT's names; the optimizer's under `optimizer.`.

        A gradient that waits for a step is not part of the state.
        """
        tensors = dict(self._named_weights())
        if optimizer:
            tensors.update(self._named_moments())
        return {name: t.detach().to("cpu", copy=True) for name, t in tensors.items()}

    def load_state(self, tensors: Mapping[str, Tensor], *, optimizer: bool) -> None:
        """Replace weights and, if asked, moments; without them the optimizer starts anew.

        A gradient that waits for a step is dropped. RequestError, and nothing changed, when names
        or shapes do not fit.
        """
        targets = dict(self._named_weights())
        if optimizer:
            targets.update(self._named_moments())
        else:
            tensors = {n: t for n, t in tensors.items() if not n.startswith(_OPTIMIZER)}
        lora.fill(targets, tensors)
        if optimizer:
            self._optimizer.forget_gradient()
        else:
            self._optimizer.reset()

    def _laid_out(self, flat: Tensor) -> lora.LoraWeights:
        return lora.lay_out(self._sites, self._rank, flat)

    def _named_weights(self) -> dict[str, Tensor]:
        return lora.named(self._weights)

    def _named_moments(self) -> dict[str, Tensor]:
        moments = {"exp_avg": self._optimizer.exp_avg, "exp_avg_sq": self._optimizer.exp_avg_sq}
        return {f"{_OPTIMIZER}step": self._optimizer.steps} | {
            f"{_OPTIMIZER}{moment}.{name}": tensor
            for moment, flat in moments.items()
            for name, tensor in lora.named(self._laid_out(flat)).items()
        }


def _collect(
    group: Sequence[Rows], scored: Scored, outputs: list[dict[str, NDArray[np.float32]]]
) -> float:
    """Put each datum's logprobs at its place and return the group's loss.

    RequestError when a datum's loss is not finite, as when its `logprobs` lie far from the model's.
    """
    lengths = [len(rows) for rows in group]
    total = 0.0
    for rows, lp, losses in zip(
        group,
        torch.split(scored.lp.cpu(), lengths),
        torch.split(scored.losses.cpu(), lengths),
        strict=True,
    ):
        loss = float(losses.sum(dtype=torch.float64))
        if not math.isfinite(loss):
            raise RequestError(f"datum {rows.index}: its loss is {loss}")
        width = rows.targets.shape[1]
        outputs[rows.index]["logprobs"] = lp[:, :width].numpy().reshape(rows.shape)
        total += loss
    return total
