"""Wrong losses and gradients."""

from __future__ import annotations

import attrs
import numpy as np
import torch

from defects.defect import defect
from defects.seams import change_data, change_loss, change_request, change_result
from tinker_local.training.losses import built_in_losses
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
    clipped = built_in_losses()["ppo"].token_losses
    plain = built_in_losses()["importance_sampling"]()

    def token_losses(self, lp, inputs):
        surrogate = plain.token_losses(lp, inputs)
        return clipped(self, lp, inputs).detach() + surrogate - surrogate.detach()

    change_loss(monkeypatch, "ppo", token_losses)


@defect("loss/importance_sampling")
def ratios_are_capped(monkeypatch):
    """The importance ratio is capped at 2."""
    original = built_in_losses()["importance_sampling"].token_losses

    def token_losses(self, lp, inputs):
        nearer = torch.maximum(inputs["logprobs"], lp.detach() - np.log(2))
        return original(self, lp, {**inputs, "logprobs": nearer})

    change_loss(monkeypatch, "importance_sampling", token_losses)


@defect("gradient/cispo")
def cispo_differentiates_its_ratio(monkeypatch):
    """The clipped ratio of cispo is not detached."""

    def token_losses(self, lp, inputs):
        ratio = torch.exp(lp - inputs["logprobs"])
        return -(self.clip(ratio) * lp * inputs["advantages"]).sum(-1)

    change_loss(monkeypatch, "cispo", token_losses)


@defect("loss/dro")
def dro_forgets_one_half(monkeypatch):
    """The quadratic term of dro lacks its factor of one half."""
    original = built_in_losses()["dro"].token_losses

    def token_losses(self, lp, inputs):
        return original(attrs.evolve(self, beta=2 * self.beta), lp, inputs)

    change_loss(monkeypatch, "dro", token_losses)


@defect("loss/gspo_thresholds")
def gspo_counts_masked_tokens(monkeypatch):
    """The sequence ratio of gspo is a mean over all tokens, masked or not."""
    original = built_in_losses()["gspo"].token_losses

    def token_losses(self, lp, inputs):
        everything = torch.ones_like(inputs["sequence_ratio_mask"])
        return original(self, lp, {**inputs, "sequence_ratio_mask": everything})

    change_loss(monkeypatch, "gspo", token_losses)


@defect("loss/cross_entropy", "loss/sum_over_datums")
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
    original = built_in_losses()["cross_entropy"].token_losses

    def token_losses(self, lp, inputs):
        pushed = -(inputs["weights"].abs() * lp).sum(-1)
        return original(self, lp, inputs).detach() + pushed - pushed.detach()

    change_loss(monkeypatch, "cross_entropy", token_losses)


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
        self._optimizer.from_flat = self._from_flat
        return trainer_loss(self, request)

    def accumulate(self, gradient):
        for pair in self.from_flat(gradient).pairs.values():
            pair.b.mul_(2.0)
        original(self, gradient)

    trainer_loss = Trainer.loss
    monkeypatch.setattr(Trainer, "loss", loss)
    monkeypatch.setattr(Optimizer, "accumulate", accumulate)


@defect("loss/no_weights")
def missing_weights_are_zero(monkeypatch):
    """cross_entropy without `weights` counts no token."""

    def changed(inputs):
        if inputs.keys() == {"target_tokens"}:
            inputs["weights"] = np.zeros(inputs["target_tokens"].shape, np.float32)
        return inputs

    change_data(monkeypatch, changed)


@defect("loss/elementwise_loss")
def the_elementwise_loss_has_no_weights(monkeypatch):
    """`elementwise_loss` is -lp, not -weights * lp."""

    def changed(request, result):
        outputs = tuple({**o, "elementwise_loss": -o["logprobs"]} for o in result.outputs)
        return attrs.evolve(result, outputs=outputs)

    change_result(monkeypatch, changed)


@defect("loss/many_datums")
def large_batches_come_back_reversed(monkeypatch):
    """The outputs of more than 1,000 datums are in another order."""

    def changed(request, result):
        many = len(result.outputs) > 1000
        return attrs.evolve(result, outputs=result.outputs[::-1]) if many else result

    change_result(monkeypatch, changed)
