"""Gradients of the losses, through the effect of an optimizer step.

Any loss L of the logprobs has the gradient of a cross-entropy with weights -dL/dlp. So the step on
a loss must move a model exactly as the step on that cross-entropy moves an equal model.
"""

from __future__ import annotations

import numpy as np
from tinker import types

from tinker_conformance.check import check, required
from tinker_conformance.checks.training.loss import DEFAULT, NARROW
from tinker_conformance.client.batch import Datum
from tinker_conformance.client.server import Server
from tinker_conformance.client.trainer import LOSS, Trainer
from tinker_conformance.expect import expect, expect_close
from tinker_conformance.experiment.effect import compare, expect_same, expect_unchanged
from tinker_conformance.experiment.policy import (
    as_cross_entropy,
    policy_batch,
    with_ratio_mask,
)
from tinker_conformance.experiment.sequences import OTHER, PROBE
from tinker_conformance.experiment.step_size import descent, step_size
from tinker_conformance.experiment.twins import twins, warm_trainer


def _expect_gradient(
    server: Server, loss: str, config: dict[str, float] | None, meaning: dict[str, float]
) -> None:
    trainer, reference = twins(server)
    batch = policy_batch(trainer)
    if loss == "gspo":
        batch = with_ratio_mask(batch)
    before = trainer.logprobs(PROBE).array
    reply = trainer.forward_backward(batch, loss, config).result()
    params = descent(step_size(server))
    trainer.step(params)
    reference.train(as_cross_entropy(reply, batch, loss, meaning), params)
    expect_same(f"logprobs after a step on {loss}", trainer, reference, before)


@required
@check
def lowers_the_loss(server: Server) -> None:
    """Adam steps on cross_entropy lower it."""
    trainer = server.trainer()
    params = types.AdamParams(learning_rate=1e-3)
    first, *_, last = [trainer.train(PROBE, params) for _ in range(5)]
    before, after = first.result().show(LOSS), last.result().show(LOSS)
    expected = f"less than the first, which is {float(before.array):.6g}"
    expect(bool(after.array < before.array), "loss:sum after four steps", after, expected)


@check
def importance_sampling(server: Server) -> None:
    """The gradient of importance_sampling is that of weights r A."""
    _expect_gradient(server, "importance_sampling", None, {})


@check
def ppo(server: Server) -> None:
    """Tokens of ppo push with r A, and not at all where the clipped product is the smaller."""
    _expect_gradient(server, "ppo", None, DEFAULT)


@check
def ppo_clipped(server: Server) -> None:
    """A ppo step on nothing but clipped tokens changes nothing."""
    trainer = warm_trainer(server)
    lp = trainer.logprobs(PROBE[:1])
    clipped = PROBE[0].replace(
        weights=None, logprobs=lp.array - np.log(1.5), advantages=np.ones(len(lp.array))
    )
    trainer.forward_backward((clipped,), "ppo").result()
    trainer.step(descent(step_size(server)))
    after = trainer.logprobs(PROBE[:1])
    expect_close("logprobs after the step", after, lp.array, atol=server.tolerance.logprob)


@check
def cispo(server: Server) -> None:
    """The gradient of cispo is that of weights clip(r) A: a clipped token still pushes."""
    _expect_gradient(server, "cispo", NARROW, NARROW)


@check
def dro(server: Server) -> None:
    """The gradient of dro is that of weights A - beta (lp - q)."""
    config = {"beta": 0.3}
    _expect_gradient(server, "dro", config, config)


@check
def gspo(server: Server) -> None:
    """The gradient of gspo is that of weights s A with one ratio s, where it is not clipped."""
    config = {"clip_low_threshold": 0.2, "clip_high_threshold": 1.3}
    _expect_gradient(server, "gspo", config, config)


@check
def sum_over_datums(server: Server) -> None:
    """The gradient is a sum: a datum twice pushes twice as far."""
    size = step_size(server) / 2
    compare(
        server,
        "logprobs after a step on each datum twice",
        lambda trainer: trainer.train((*PROBE, *PROBE), descent(size)),
        lambda trainer: trainer.train(PROBE, descent(2 * size)),
    )


@check
def unweighted_tokens(server: Server) -> None:
    """Tokens of weight 0 have no gradient, and do not dilute that of the others."""
    params = descent(step_size(server))
    extended = tuple(_extended(datum) for datum in PROBE)
    compare(
        server,
        "logprobs after a step on datums with a tail of weight 0",
        lambda trainer: trainer.train(extended, params),
        lambda trainer: trainer.train(PROBE, params),
    )


def _extended(datum: Datum) -> Datum:
    tail = OTHER[0]
    targets = np.concatenate([datum.column("target_tokens"), tail.column("target_tokens")])
    weights = np.concatenate([datum.column("weights"), np.zeros(len(tail.tokens))])
    return Datum((*datum.tokens, *tail.tokens), {}).replace(target_tokens=targets, weights=weights)


@check
def opposite_weights(server: Server) -> None:
    """Gradients of opposite weights cancel."""
    opposite = tuple(datum.replace(weights=-datum.column("weights")) for datum in PROBE)
    params = descent(step_size(server))

    def cancel(trainer: Trainer) -> None:
        trainer.forward_backward(PROBE)
        trainer.train(opposite, params)

    expect_unchanged(server, "logprobs after the step", warm_trainer(server), cancel)


@check
def forward_leaves_none(server: Server) -> None:
    """`forward` adds nothing to the gradient of the next step."""
    params = descent(step_size(server))

    def look_first(trainer: Trainer) -> None:
        trainer.forward(OTHER)
        trainer.train(PROBE, params)

    compare(
        server,
        "logprobs after forward, forward_backward and a step",
        look_first,
        lambda trainer: trainer.train(PROBE, params),
    )


@check
def symmetric_influence(server: Server) -> None:
    """A step on one token moves a second as much as a step on the second moves the first.

    Both are the inner product of the two tokens' gradients, whatever the model; a direction that is
    not the gradient of the logprobs breaks this.
    """
    one, other = _single(PROBE[0], 5), _single(PROBE[1], 2)
    norm = step_size(server) / server.tolerance.change
    changes = []
    for pushed, watched in ((one, other), (other, one)):
        forwards, backwards = twins(server)
        size = norm * server.tolerance.change
        forwards.train((pushed,), descent(size))
        opposite = pushed.replace(weights=-pushed.column("weights"))
        backwards.train((opposite,), descent(size))
        rows = watched.column("weights") != 0
        up, down = forwards.logprobs((watched,)), backwards.logprobs((watched,))
        changes.append((up, float((up.array - down.array)[rows].sum())))
    (_, first), (shown, second) = changes
    tolerance = server.tolerance
    atol = max(4 * tolerance.logprob, tolerance.first_order * max(abs(first), abs(second)))
    expect(
        abs(first - second) <= atol,
        f"change of the first token by a step on the second: {second:.6g}; logprobs",
        shown,
        f"the change of the second by a step on the first, {first:.6g}, within {atol:.3g}",
    )


def _single(datum: Datum, index: int) -> Datum:
    weights = np.zeros(len(datum.tokens))
    weights[index] = 1.0
    return datum.replace(weights=weights)
