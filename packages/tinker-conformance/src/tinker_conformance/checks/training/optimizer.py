"""AdamW, its hyperparameters and gradient accumulation, through the effect of steps.

Two equal models take two ways that AdamW's formulas say are one.
"""

from __future__ import annotations

import numpy as np
from tinker import types

from tinker_conformance.check import check
from tinker_conformance.client.server import Server
from tinker_conformance.client.trainer import Trainer
from tinker_conformance.expect import expect_close, refused
from tinker_conformance.experiment.effect import compare, expect_same, expect_unchanged
from tinker_conformance.experiment.sequences import OTHER, PROBE
from tinker_conformance.experiment.step_size import EPS, descent, squared_norm, step_size
from tinker_conformance.experiment.twins import twins, warm_trainer

SILENT = tuple(datum.replace(weights=np.zeros(len(datum.tokens))) for datum in PROBE)
"""Datums without a gradient, to take a step that only the optimizer's memory drives."""


def _fresh_twins(server: Server) -> list[Trainer]:
    """Warm models with equal weights whose optimizers have taken no step."""
    path = warm_trainer(server).save_state("warm")
    return [server.trainer_from(path, optimizer=False) for _ in range(2)]


@check
def learning_rate_zero(server: Server) -> None:
    """A step with learning rate 0 changes nothing, whatever the weight decay."""
    still = types.AdamParams(learning_rate=0.0, weight_decay=0.1)
    expect_unchanged(
        server,
        "logprobs after a step with learning_rate=0",
        warm_trainer(server),
        lambda trainer: trainer.train(PROBE, still),
    )


@check
def eps(server: Server) -> None:
    """`eps` is added to the root of the second moment: where it dominates, a step is lr / eps g."""
    size = step_size(server)
    larger = types.AdamParams(learning_rate=size * EPS * 10, beta1=0.0, eps=EPS * 10)
    compare(
        server,
        f"logprobs after a step with eps={EPS * 10:g} and a ten times larger learning rate",
        lambda trainer: trainer.train(PROBE, larger),
        lambda trainer: trainer.train(PROBE, descent(size)),
    )


@check
def adam_is_scale_free(server: Server) -> None:
    """With a small `eps`, the first step does not depend on the scale of the gradient."""
    params = types.AdamParams(learning_rate=3e-3)
    one, other = _fresh_twins(server)
    before = one.logprobs(PROBE).array
    one.train((*PROBE, *PROBE), params)
    other.train(PROBE, params)
    expect_same("logprobs after an Adam step on each datum twice", one, other, before)


def _expect_memory(server: Server, params: types.AdamParams, factor: float) -> None:
    """A step on a gradient and one on none go as far as one step with `factor` times the rate."""
    one, other = _fresh_twins(server)
    before = one.logprobs(PROBE).array
    one.train(PROBE, params)
    one.train(SILENT, params)
    longer = params.model_copy(update={"learning_rate": params.learning_rate * factor})
    other.train(PROBE, longer)
    what = f"logprobs after a step and one without a gradient, beta1={params.beta1:g}"
    expect_same(f"{what}, beta2={params.beta2:g}", one, other, before)


@check
def beta1(server: Server) -> None:
    """After a step on g, one without a gradient goes beta1 / (1 + beta1) times as far."""
    size = step_size(server)
    for beta in (0.9, 0.5):
        params = types.AdamParams(learning_rate=size * EPS, beta1=beta, eps=EPS)
        _expect_memory(server, params, 1 + beta / (1 + beta))


@check
def beta2(server: Server) -> None:
    """With a small `eps` it goes sqrt((1 + beta2) / beta2) times as far as that."""
    for beta in (0.95, 0.3):
        params = types.AdamParams(learning_rate=2e-3, beta1=0.5, beta2=beta)
        _expect_memory(server, params, 1 + 0.5 / 1.5 * float(np.sqrt((1 + beta) / beta)))


@check
def every_step_has_its_own(server: Server) -> None:
    """Each step obeys its own hyperparameters, not those of the first."""
    size = step_size(server)
    one, other = _fresh_twins(server)
    before = one.logprobs(PROBE).array
    for trainer, beta in ((one, 0.9), (other, 0.5)):
        trainer.train(OTHER, types.AdamParams(learning_rate=1e-3, beta1=beta, beta2=beta))
        trainer.train(PROBE, descent(size))  # beta1 = 0: what the first step left has no part
    expect_same("logprobs after steps with other betas, then equal ones", one, other, before)


@check
def weight_decay_to_zero(server: Server) -> None:
    """Weight decay 1 / lr takes the LoRA to zero: what is left is the base model."""
    trainer = warm_trainer(server)
    expected = server.trainer().logprobs(PROBE).array
    params = types.AdamParams(learning_rate=0.25, weight_decay=4.0, eps=1e12)
    trainer.train(PROBE, params)
    came = trainer.logprobs(PROBE)
    expect_close(
        "logprobs after weight_decay = 1 / lr", came, expected, atol=server.tolerance.logprob
    )


@check
def weight_decay_is_decoupled(server: Server) -> None:
    """Weight decay 2 / lr turns the sign of both LoRA matrices, which leaves their product."""
    params = types.AdamParams(learning_rate=0.25, weight_decay=8.0, eps=1e12)
    expect_unchanged(
        server,
        "logprobs after weight_decay = 2 / lr",
        warm_trainer(server),
        lambda trainer: trainer.train(PROBE, params),
    )


@check
def clip_above_the_norm(server: Server) -> None:
    """`grad_clip_norm` above the gradient's norm changes nothing."""
    size, norm = step_size(server), float(np.sqrt(squared_norm(server)))
    compare(
        server,
        f"logprobs after a step with grad_clip_norm={10 * norm:.4g}, ten times the norm",
        lambda trainer: trainer.train(PROBE, descent(size, grad_clip_norm=10 * norm)),
        lambda trainer: trainer.train(PROBE, descent(size)),
    )


@check
def clip_to_half_the_norm(server: Server) -> None:
    """`grad_clip_norm` at half of the gradient's norm halves the step."""
    size, norm = step_size(server) * 2, float(np.sqrt(squared_norm(server)))
    one, other = twins(server)
    before = one.logprobs(PROBE).array
    one.train(PROBE, descent(size, grad_clip_norm=norm / 2))
    other.train(PROBE, descent(size / 2))
    came, wanted = one.logprobs(PROBE), other.logprobs(PROBE).array
    moved = float(np.abs(wanted - before).max())
    expect_close(
        f"logprobs after a step with grad_clip_norm={norm / 2:.4g}, half of the norm",
        came,
        wanted,
        atol=server.tolerance.first_order * moved,
    )


@check
def clip_by_the_global_norm(server: Server) -> None:
    """A clipped gradient keeps its direction and has length `grad_clip_norm`."""
    size, norm = step_size(server), float(np.sqrt(squared_norm(server)))
    clip = norm / 50
    compare(
        server,
        f"logprobs after a step with grad_clip_norm={clip:.4g} on each datum twice",
        lambda trainer: trainer.train((*PROBE, *PROBE), descent(50 * size, grad_clip_norm=clip)),
        lambda trainer: trainer.train(PROBE, descent(100 * size, grad_clip_norm=clip / 2)),
    )


@check
def clip_keeps_the_direction(server: Server) -> None:
    """A step clipped to a known length is a shorter step along the same gradient."""
    size, norm = step_size(server), float(np.sqrt(squared_norm(server)))
    one, other = twins(server)
    before = one.logprobs(PROBE).array
    one.train(PROBE, descent(size * 20, grad_clip_norm=norm / 20))
    other.train(PROBE, descent(size))
    came, wanted = one.logprobs(PROBE), other.logprobs(PROBE).array
    change, reference = came.array - before, wanted - before
    scale = float(change @ reference / (reference @ reference))
    moved = float(np.abs(change).max())
    tolerance = server.tolerance
    atol = max(2 * tolerance.logprob, 2 * tolerance.effect * moved)
    what = "logprobs after a clipped step"
    expect_close(what, came, before + scale * reference, atol=atol)


@check
def accumulation(server: Server) -> None:
    """Gradients of several forward_backward calls add up until the next step."""
    params = descent(step_size(server))

    def in_pieces(trainer: Trainer) -> None:
        for datum in PROBE:
            trainer.forward_backward((datum,))
        trainer.step(params)

    compare(
        server,
        "logprobs after forward_backward twice and a step",
        in_pieces,
        lambda trainer: trainer.train(PROBE, params),
    )


@check
def cleared_by_a_step(server: Server) -> None:
    """A step uses up the gradient; the next one starts from none."""
    params = descent(step_size(server))

    def after_another(trainer: Trainer) -> None:
        trainer.train(OTHER, descent(0.0))
        trainer.train(PROBE, params)

    compare(
        server,
        "logprobs after a step on a gradient that follows another step",
        after_another,
        lambda trainer: trainer.train(PROBE, params),
    )


@check
def failed_calls_leave_none(server: Server) -> None:
    """A forward_backward that is refused adds nothing to the gradient."""
    params = descent(step_size(server))
    wrong = (*OTHER, OTHER[0].replace(weights=[1.0]))

    def fail_first(trainer: Trainer) -> None:
        refused(trainer.forward_backward, wrong)
        trainer.train(PROBE, params)

    compare(
        server,
        "logprobs after a refused call and a step",
        fail_first,
        lambda trainer: trainer.train(PROBE, params),
    )


@check
def reported_norm(server: Server) -> None:
    """If a step reports `grad_norm`, it is the norm of the gradient before clipping."""
    trainer = warm_trainer(server)
    trainer.forward_backward(PROBE)
    reply = trainer.step(descent(0.0, grad_clip_norm=1e-3)).result()
    names = [name for name in reply.value.metrics or {} if name.startswith("grad_norm")]
    server.notes["metrics of optim_step"] = ", ".join(sorted(reply.value.metrics or {})) or "none"
    for name in names:
        expect_close(
            f"{name} of optim_step",
            reply.show(f'$.metrics["{name}"]'),
            np.sqrt(squared_norm(server)),
            rtol=server.tolerance.first_order,
        )
