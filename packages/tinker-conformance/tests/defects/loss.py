"""Wrong losses and gradients."""

from __future__ import annotations

import attrs
import numpy as np
import torch

from defects.defect import defect
from defects.seams import change_data, change_loss, change_request, change_result
from tinker_local.training import losses as engine_losses
from tinker_local.training.optimizer import Optimizer
from tinker_local.training.trainer import Trainer


@defect("loss/ppo")
def every_other_loss_is_cross_entropy(monkeypatch):
    """Any loss other than importance_sampling is computed as cross-entropy, as in Twinkle."""

    def changed(request):
        if request.loss_fn != "ppo":
            return request
        data = tuple(
            attrs.evolve(
                datum,
                inputs={
                    "target_tokens": datum.inputs["target_tokens"],
                    "weights": datum.inputs["advantages"],
                },
            )
            for datum in request.data
        )
        return attrs.evolve(request, data=data, loss_fn="cross_entropy", config={})

    change_request(monkeypatch, changed)


@defect("loss/ppo_thresholds")
def clip_keys_are_ignored(monkeypatch):
    """ppo clips at its defaults whatever loss_fn_config says, as in Open-RL."""
    change_request(monkeypatch, lambda request: attrs.evolve(request, config={}))


@defect("gradient/ppo")
def ppo_is_not_clipped(monkeypatch):
    """ppo reports the clipped loss and pushes with the gradient of the unclipped one."""
    clipped = engine_losses.LOSSES["ppo"].terms
    plain = engine_losses.LOSSES["importance_sampling"].terms

    def terms(lp, columns, config):
        surrogate = plain(lp, columns, config)
        return clipped(lp, columns, config).detach() + surrogate - surrogate.detach()

    change_loss(monkeypatch, "ppo", terms=terms)


@defect("loss/importance_sampling")
def ratios_are_capped(monkeypatch):
    """The importance ratio is capped at 2."""
    original = engine_losses.LOSSES["importance_sampling"].terms

    def terms(lp, columns, config):
        nearer = torch.maximum(columns["logprobs"], lp.detach() - np.log(2))
        return original(lp, {**columns, "logprobs": nearer}, config)

    change_loss(monkeypatch, "importance_sampling", terms=terms)


@defect("gradient/cispo")
def cispo_differentiates_its_ratio(monkeypatch):
    """The clipped ratio of cispo is not detached."""

    def terms(lp, columns, config):
        ratio = torch.exp(lp - columns["logprobs"])
        clipped = ratio.clamp(config["clip_low_threshold"], config["clip_high_threshold"])
        return -(clipped * lp * columns["advantages"]).sum(-1)

    change_loss(monkeypatch, "cispo", terms=terms)


@defect("loss/dro")
def dro_forgets_one_half(monkeypatch):
    """The quadratic term of dro lacks its factor of one half."""
    original = engine_losses.LOSSES["dro"].terms
    change_loss(
        monkeypatch,
        "dro",
        terms=lambda lp, columns, config: original(lp, columns, {"beta": 2 * config["beta"]}),
    )


@defect("loss/gspo_thresholds")
def gspo_counts_masked_tokens(monkeypatch):
    """The sequence ratio of gspo is a mean over all tokens, masked or not."""
    original = engine_losses.LOSSES["gspo"].terms

    def terms(lp, columns, config):
        everything = torch.ones_like(columns["sequence_ratio_mask"])
        return original(lp, {**columns, "sequence_ratio_mask": everything}, config)

    change_loss(monkeypatch, "gspo", terms=terms)


@defect("loss/cross_entropy")
def the_loss_is_a_mean(monkeypatch):
    """`loss:sum` is a mean over datums."""
    change_result(
        monkeypatch,
        lambda request, result: attrs.evolve(
            result, metrics={"loss:sum": result.metrics["loss:sum"] / len(request.data)}
        ),
    )


@defect("gradient/sum_over_datums")
def the_gradient_is_a_mean(monkeypatch):
    """The loss is a sum and its gradient a mean over datums."""
    original, accumulate, sizes = Trainer.loss, Optimizer.accumulate, []

    def loss(self, request):
        sizes.append(len(request.data))
        return original(self, request)

    monkeypatch.setattr(Trainer, "loss", loss)
    monkeypatch.setattr(
        Optimizer, "accumulate", lambda self, gradient: accumulate(self, gradient / sizes[-1])
    )


@defect("gradient/unweighted_tokens")
def the_gradient_is_a_mean_over_tokens(monkeypatch):
    """The gradient is divided by the number of tokens, of weight 0 or not."""
    original, accumulate, sizes = Trainer.loss, Optimizer.accumulate, []

    def loss(self, request):
        sizes.append(sum(len(datum.tokens) for datum in request.data))
        return original(self, request)

    monkeypatch.setattr(Trainer, "loss", loss)
    monkeypatch.setattr(
        Optimizer, "accumulate", lambda self, gradient: accumulate(self, gradient / sizes[-1])
    )


@defect("loss/any_weight")
def negative_weights_are_zero(monkeypatch):
    """Weights below 0 count as 0, which breaks every custom loss."""

    def changed(inputs):
        if "weights" in inputs:
            inputs["weights"] = np.maximum(inputs["weights"], 0)
        return inputs

    change_data(monkeypatch, changed)


@defect("gradient/opposite_weights")
def weights_are_sizes(monkeypatch):
    """The gradient of a negative weight is that of its size."""
    original = engine_losses.LOSSES["cross_entropy"].terms

    def terms(lp, columns, config):
        pushed = -(columns["weights"].abs() * lp).sum(-1)
        return original(lp, columns, config).detach() + pushed - pushed.detach()

    change_loss(monkeypatch, "cross_entropy", terms=terms)


@defect("gradient/forward_leaves_none")
def forward_accumulates(monkeypatch):
    """`forward` adds its gradient to that of the next step."""
    change_request(monkeypatch, lambda request: attrs.evolve(request, forward_only=False))


@defect("gradient/symmetric_influence")
def the_gradient_is_of_the_next_row(monkeypatch):
    """The loss is right, and its gradient that of the row behind each weighted one."""
    original = Trainer.loss

    def loss(self, request):
        result = original(self, attrs.evolve(request, forward_only=True))
        if not request.forward_only:
            data = tuple(
                attrs.evolve(d, inputs={**d.inputs, "weights": np.roll(d.inputs["weights"], 1)})
                for d in request.data
            )
            original(self, attrs.evolve(request, data=data))
        return result

    monkeypatch.setattr(Trainer, "loss", loss)


@defect("weights/finite_difference")
def b_matrices_learn_twice_as_fast(monkeypatch):
    """The gradient of every B matrix is doubled, as in LoRA+ with one learning rate too many."""
    original = Optimizer.accumulate

    def loss(self, request):
        self._optimizer.laid_out = self._laid_out
        return trainer_loss(self, request)

    def accumulate(self, gradient):
        for pair in self.laid_out(gradient).pairs.values():
            pair.b.mul_(2.0)
        original(self, gradient)

    trainer_loss = Trainer.loss
    monkeypatch.setattr(Trainer, "loss", loss)
    monkeypatch.setattr(Optimizer, "accumulate", accumulate)
