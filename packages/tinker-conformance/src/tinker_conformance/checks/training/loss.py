"""Values of the losses against their formulas, at the logprobs of the same reply."""

from __future__ import annotations

import numpy as np

from tinker_conformance.check import check, required
from tinker_conformance.client.batch import Batch, make_datum
from tinker_conformance.client.server import Server
from tinker_conformance.client.trainer import ALL_LOGPROBS, LOGPROBS, LOSS, Trainer
from tinker_conformance.expect import expect, expect_close
from tinker_conformance.experiment.policy import (
    expected_loss,
    policy_batch,
    with_ratio_mask,
)
from tinker_conformance.experiment.sequences import PROBE, tokens

DEFAULT = {"clip_low_threshold": 0.8, "clip_high_threshold": 1.2}
NARROW = {"clip_low_threshold": 0.6, "clip_high_threshold": 1.4}
ONE_SIDED = {"clip_low_threshold": 0.0, "clip_high_threshold": 4.0}
MANY = 1100
"""More datums than the SDK sends in one request unless a server says otherwise."""


def _expect_loss(
    trainer: Trainer,
    batch: Batch,
    loss: str,
    config: dict[str, float] | None,
    meaning: dict[str, float],
) -> None:
    """The value, from `forward` and from `forward_backward`, is that of the closed form."""
    for submit in (trainer.forward, trainer.forward_backward):
        reply = submit(batch, loss, config).result()
        expected = expected_loss(reply, batch, loss, meaning)
        rtol = trainer.server.tolerance.loss
        expect_close(f"{loss}: loss:sum", reply.show(LOSS), expected, rtol=rtol, atol=rtol)


@required
@check
def cross_entropy(server: Server) -> None:
    """cross_entropy is -sum(weights * lp), and `forward` returns lp in the targets' shape."""
    trainer = server.trainer()
    reply = trainer.forward(PROBE).result()
    for index, datum in enumerate(PROBE):
        lp = reply.show(LOGPROBS.format(index=index))
        expect(lp.array.shape == (len(datum.tokens),), "shape of logprobs", lp, "one per target")
        expect(bool((lp.array < 0).all()), "logprobs", lp, "negative numbers")
    _expect_loss(trainer, PROBE, "cross_entropy", None, {})


@check
def any_weight(server: Server) -> None:
    """Weights of cross_entropy may be negative, fractional, zero and large."""
    weights = (-1.5, 0.0, 0.25, 40.0, -0.001, 1.0, 0.0, 2.0)
    batch = (PROBE[0].replace(weights=weights),)
    _expect_loss(server.trainer(), batch, "cross_entropy", None, {})


@check
def no_weights(server: Server) -> None:
    """cross_entropy without `weights` counts every token once, or is refused."""
    trainer = server.trainer()
    reply = trainer.forward((PROBE[0].replace(weights=None),)).result()
    expected = -reply.show(ALL_LOGPROBS).array.sum()
    expect_close("loss:sum", reply.show(LOSS), expected, rtol=server.tolerance.loss)


@check
def sum_over_datums(server: Server) -> None:
    """A loss is a sum: it grows with the number of datums and is not divided by their number."""
    trainer = server.trainer()
    alone = float(trainer.forward(PROBE[:1]).result().show(LOSS).array)
    thrice = trainer.forward((PROBE[0],) * 3).result().show(LOSS)
    atol = 3 * len(PROBE[0].tokens) * server.tolerance.logprob
    expect_close("loss:sum of one datum three times", thrice, 3 * alone, atol=atol)


@check
def importance_sampling(server: Server) -> None:
    """importance_sampling is -sum(r A) with r = exp(lp - q), never clipped."""
    trainer = server.trainer()
    _expect_loss(trainer, policy_batch(trainer), "importance_sampling", None, {})


@check
def ppo(server: Server) -> None:
    """ppo is -sum(min(r A, clip(r, 0.8, 1.2) A))."""
    trainer = server.trainer()
    _expect_loss(trainer, policy_batch(trainer), "ppo", None, DEFAULT)


@check
def ppo_thresholds(server: Server) -> None:
    """ppo clips at `clip_low_threshold` and `clip_high_threshold`, which are ratios."""
    trainer = server.trainer()
    _expect_loss(trainer, policy_batch(trainer), "ppo", NARROW, NARROW)


@check
def ppo_one_threshold(server: Server) -> None:
    """A threshold that is not given keeps its default."""
    trainer = server.trainer()
    given = {"clip_high_threshold": 1.4}
    _expect_loss(trainer, policy_batch(trainer), "ppo", given, {**DEFAULT, **given})


@check
def cispo_thresholds(server: Server) -> None:
    """cispo is -sum(sg(clip(r, low, high)) lp A)."""
    trainer = server.trainer()
    _expect_loss(trainer, policy_batch(trainer), "cispo", NARROW, NARROW)


@check
def cispo_defaults(server: Server) -> None:
    """cispo without a config clips at documented thresholds: 0 and 4, or formerly 0.8 and 1.2."""
    trainer = server.trainer()
    batch = policy_batch(trainer)
    reply = trainer.forward(batch, "cispo").result()
    loss = reply.show(LOSS)
    documented = {
        f"{c['clip_low_threshold']:g} and {c['clip_high_threshold']:g}": expected_loss(
            reply, batch, "cispo", c
        )
        for c in (ONE_SIDED, DEFAULT)
    }
    nearest = min(documented, key=lambda name: abs(documented[name] - float(loss.array)))
    rtol = server.tolerance.loss
    expect_close("cispo: loss:sum", loss, documented[nearest], rtol=rtol, atol=rtol)
    server.notes["default clip thresholds of cispo"] = nearest


@check
def dro(server: Server) -> None:
    """dro is -sum(lp A - beta / 2 (lp - q)^2)."""
    trainer = server.trainer()
    config = {"beta": 0.3}
    _expect_loss(trainer, policy_batch(trainer), "dro", config, config)


@check
def dro_prompt(server: Server) -> None:
    """Tokens with A = 0 and q = 0, as those of a prompt, all count in dro or none does."""
    zeros = np.zeros(len(PROBE[0].tokens))
    prompt = (PROBE[0].replace(weights=None, logprobs=zeros, advantages=zeros),)
    config = {"beta": 0.3}
    reply = server.trainer().forward(prompt, "dro", config).result()
    loss, counted = reply.show(LOSS), expected_loss(reply, prompt, "dro", config)
    left_out = abs(float(loss.array)) < server.tolerance.loss
    server.notes["prompt tokens in dro"] = "left out" if left_out else "counted"
    if not left_out:
        expect_close("dro: loss:sum", loss, counted, rtol=server.tolerance.loss)


@check
def gspo_thresholds(server: Server) -> None:
    """gspo clips one ratio per datum: the geometric mean over `sequence_ratio_mask`."""
    trainer = server.trainer()
    for config in ({"clip_low_threshold": 0.95, "clip_high_threshold": 1.05}, ONE_SIDED):
        batch = with_ratio_mask(policy_batch(trainer))
        _expect_loss(trainer, batch, "gspo", config, config)


@check
def elementwise_loss(server: Server) -> None:
    """If the output has `elementwise_loss`, it is -weights * lp, token by token."""
    reply = server.trainer().forward(PROBE[:1]).result()
    output = reply.value.loss_fn_outputs[0]
    server.notes["loss_fn_output_type"] = repr(reply.value.loss_fn_output_type)
    server.notes["outputs of cross_entropy"] = ", ".join(sorted(output))
    if "elementwise_loss" in output:
        shown = reply.show('$.loss_fn_outputs[0]["elementwise_loss"].to_numpy()')
        lp = reply.show(LOGPROBS.format(index=0)).array
        expected = -PROBE[0].column("weights") * lp
        expect_close("elementwise_loss", shown, expected, atol=server.tolerance.logprob)


@check
def many_datums(server: Server) -> None:
    """1,100 datums come back in order, however many requests the SDK needs for them."""
    trainer = server.trainer()
    lengths = [1 + index % 3 for index in range(MANY)]
    single = [
        make_datum(tokens(n, n), target_tokens=tokens(n, n + 10), weights=np.ones(n))
        for n in (1, 2, 3)
    ]
    alone = [trainer.logprobs((each,)).array for each in single]
    reply = trainer.forward(tuple(single[n - 1] for n in lengths)).result()
    expected = np.concatenate([alone[n - 1] for n in lengths])
    atol = server.tolerance.logprob
    expect_close("logprobs of 1,100 datums", reply.show(ALL_LOGPROBS), expected, atol=atol)
    total = reply.show(LOSS)
    expect_close("loss:sum of 1,100 datums", total, -expected.sum(), rtol=server.tolerance.loss * 5)
