"""Wrong optimizer steps."""

from __future__ import annotations

import attrs
import torch

from defects.defect import defect
from defects.seams import change_adam
from tinker_local.api.routes.training import CreateModel
from tinker_local.errors import RequestError
from tinker_local.model import lora_adapter
from tinker_local.training.optimizer import Optimizer
from tinker_local.training.trainer import Trainer


@defect("optimizer/clip_to_half_the_norm")
def clipping_is_ignored(monkeypatch):
    """grad_clip_norm does nothing, as in SkyRL's JAX backend."""
    change_adam(monkeypatch, lambda params: attrs.evolve(params, grad_clip_norm=0.0))


@defect("optimizer/clip_keeps_the_direction")
def every_weight_is_clipped(monkeypatch):
    """grad_clip_norm bounds each weight's gradient instead of the norm of all."""
    original = Optimizer.step

    def step(self, params):
        if params.grad_clip_norm > 0:
            bound = params.grad_clip_norm / len(self.gradient) ** 0.5
            self.gradient.clamp_(-bound, bound)
        return original(self, attrs.evolve(params, grad_clip_norm=0.0))

    monkeypatch.setattr(Optimizer, "step", step)


@defect("optimizer/weight_decay_to_zero")
def weight_decay_is_ignored(monkeypatch):
    """weight_decay does nothing."""
    change_adam(monkeypatch, lambda params: attrs.evolve(params, weight_decay=0.0))


@defect("optimizer/weight_decay_is_decoupled")
def weight_decay_without_the_learning_rate(monkeypatch):
    """Weights shrink by weight_decay, not by learning_rate * weight_decay."""
    original = Optimizer.step

    def step(self, params):
        with torch.no_grad():
            self._weights.mul_(1 - params.weight_decay)
        return original(self, attrs.evolve(params, weight_decay=0.0))

    monkeypatch.setattr(Optimizer, "step", step)


@defect("optimizer/weight_decay_to_zero")
def weight_decay_is_a_penalty(monkeypatch):
    """Weight decay is added to the gradient, as in Adam with L2, instead of being decoupled."""
    original = Optimizer.step

    def step(self, params):
        self.gradient.add_(self._weights.detach(), alpha=params.weight_decay)
        return original(self, attrs.evolve(params, weight_decay=0.0))

    monkeypatch.setattr(Optimizer, "step", step)


@defect("optimizer/every_step_has_its_own")
def only_the_learning_rate_changes(monkeypatch):
    """The betas of a model's first step stay, as in Open-RL."""
    original = Optimizer.step

    def step(self, params):
        kept = vars(self).setdefault("first", params)
        return original(self, attrs.evolve(params, beta1=kept.beta1, beta2=kept.beta2))

    monkeypatch.setattr(Optimizer, "step", step)


@defect("optimizer/beta1")
def no_momentum(monkeypatch):
    """beta1 is taken for 0."""
    change_adam(monkeypatch, lambda params: attrs.evolve(params, beta1=0.0))


@defect("optimizer/beta2")
def beta2_is_fixed(monkeypatch):
    """beta2 is 0.999, torch's default, whatever was asked for."""
    change_adam(monkeypatch, lambda params: attrs.evolve(params, beta2=0.999))


@defect("optimizer/adam_is_scale_free")
def plain_gradient_descent(monkeypatch):
    """The optimizer is gradient descent: the scale of the gradient counts."""

    def changed(params):
        return attrs.evolve(params, learning_rate=params.learning_rate / 100, eps=1.0, beta1=0.0)

    change_adam(monkeypatch, changed)


@defect("optimizer/eps")
def eps_is_under_the_root(monkeypatch):
    """eps is added to the second moment instead of to its root."""
    change_adam(monkeypatch, lambda params: attrs.evolve(params, eps=params.eps**0.5))


@defect("optimizer/cleared_by_a_step")
def the_gradient_stays(monkeypatch):
    """A step does not clear the gradient: it counts again in the next."""
    original = Optimizer.step

    def step(self, params):
        kept = self.gradient.clone()
        metrics = original(self, params)
        self.gradient.copy_(kept)
        return metrics

    monkeypatch.setattr(Optimizer, "step", step)


@defect("optimizer/accumulation")
def only_the_last_gradient_counts(monkeypatch):
    """forward_backward replaces the gradient instead of adding to it."""
    original = Optimizer.accumulate

    def accumulate(self, gradient):
        self.zero_grad()
        original(self, gradient)

    monkeypatch.setattr(Optimizer, "accumulate", accumulate)


@defect("optimizer/failed_calls_leave_none")
def failed_calls_leave_a_gradient(monkeypatch):
    """The datums before a wrong one have left their gradient when the call fails."""
    original = Trainer.loss

    def loss(self, request):
        try:
            return original(self, request)
        except RequestError:
            original(self, attrs.evolve(request, data=request.data[:1]))
            raise

    monkeypatch.setattr(Trainer, "loss", loss)


@defect("optimizer/reported_norm")
def the_norm_is_reported_clipped(monkeypatch):
    """grad_norm is the norm after clipping."""
    original = Optimizer.step

    def step(self, params):
        norm = original(self, params)["grad_norm"]
        return {"grad_norm": min(norm, params.grad_clip_norm or norm)}

    monkeypatch.setattr(Optimizer, "step", step)


@defect("weights/adamw")
def steps_are_five_percent_short(monkeypatch):
    """The learning rate is 5 % too small."""
    change_adam(
        monkeypatch, lambda params: attrs.evolve(params, learning_rate=0.95 * params.learning_rate)
    )


@defect("weights/seed", "client/seed")
def the_seed_of_a_lora_is_ignored(monkeypatch):
    """Two models of one seed start differently."""
    original = lora_adapter.initialise
    monkeypatch.setattr(lora_adapter, "initialise", lambda adapter, seed: original(adapter, None))


@defect("weights/layout", "client/info", "limit/large_rank")
def every_rank_is_eight(monkeypatch):
    """A LoRA has rank 8 whatever was asked for."""
    original = CreateModel.lora_spec
    monkeypatch.setattr(CreateModel, "lora_spec", lambda self: attrs.evolve(original(self), rank=8))


@defect("refusal/step_without_gradient")
def steps_without_a_gradient_move(monkeypatch):
    """A step without a gradient moves the weights."""
    original = Optimizer.step

    def step(self, params):
        if not self._has_gradient:
            self._has_gradient = True
            with torch.no_grad():
                self._weights.add_(0.05)
        return original(self, params)

    monkeypatch.setattr(Optimizer, "step", step)


@defect("weights/starts_at_the_base_model")
def a_matrix_starts_at_zero(monkeypatch):
    """A new LoRA has A = 0 and B = 0, so it never learns."""
    original = lora_adapter.initialise

    def initialise(weights, seed):
        original(weights, seed)
        next(iter(weights.pairs.values())).a.zero_()

    monkeypatch.setattr(lora_adapter, "initialise", initialise)


@defect("weights/layers")
def attention_is_always_trained(monkeypatch):
    """train_attn=False is ignored."""
    original = CreateModel.lora_spec
    monkeypatch.setattr(
        CreateModel, "lora_spec", lambda self: attrs.evolve(original(self), train_attn=True)
    )


@defect("weights/reported_norm", "weights/clipped_length")
def the_norm_is_twice_the_norm(monkeypatch):
    """Norms are doubled, in clipping and in metrics."""
    original = torch.linalg.vector_norm
    monkeypatch.setattr(torch.linalg, "vector_norm", lambda *a, **o: 2 * original(*a, **o))
