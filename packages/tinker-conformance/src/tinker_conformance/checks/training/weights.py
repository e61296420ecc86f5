"""Optimizer steps, weight by weight, where a server hands out the trained weights."""

from __future__ import annotations

import numpy as np
from tinker import types

from tinker_conformance.check import check
from tinker_conformance.checks.training.optimizer import SILENT
from tinker_conformance.client.server import Server
from tinker_conformance.client.trainer import LOSS
from tinker_conformance.closed_form.adamw import AdamW, Tensors, global_norm
from tinker_conformance.expect import expect, expect_close
from tinker_conformance.experiment.adapter import CONFIG, Adapter, download
from tinker_conformance.experiment.sequences import PROBE
from tinker_conformance.experiment.step_size import descent, squared_norm, step_size
from tinker_conformance.experiment.twins import twins, warm_trainer

LONG = 30
"""A descent step is exact however long it is; a long one is read from float32 more exactly."""


def _gradient(before: Adapter, after: Adapter, size: float) -> Tensors:
    """The gradient that a descent step of this size took."""
    return {name: (t - after.tensors[name]) / size for name, t in before.tensors.items()}


@check
def layout(server: Server) -> None:
    """External weights are an adapter in PEFT's layout, with the rank that was asked for."""
    adapter = download(server.trainer(rank=4), "layout")
    config = str(adapter.config)
    expect(adapter.config.get("r") == 4, CONFIG, adapter.path, "r = 4", came=config)
    alpha = adapter.config.get("lora_alpha")
    expect(isinstance(alpha, int | float), CONFIG, adapter.path, "lora_alpha", came=config)
    for name, a in adapter.matrices("A").items():
        b = adapter.tensors.get(name.replace(".lora_A.", ".lora_B."))
        shapes = f"{a.shape} and {None if b is None else b.shape}"
        paired = b is not None and a.shape[0] == b.shape[1] == 4
        what, expected = f"shapes of {name} and its B", "(4, in) and (out, 4)"
        expect(paired, what, adapter.path, expected, came=shapes)


@check
def starts_at_the_base_model(server: Server) -> None:
    """A new LoRA has B = 0 and a random A, so it changes nothing and can learn."""
    adapter = download(server.trainer(), "fresh")
    largest = max(float(np.abs(b).max()) for b in adapter.matrices("B").values())
    expect(largest == 0.0, "largest |B| of a new LoRA", adapter.path, "0", came=f"{largest:g}")
    smallest = min(float(np.abs(a).max()) for a in adapter.matrices("A").values())
    what = "largest |A| of one of its matrices"
    expect(smallest > 0.0, what, adapter.path, "more than 0", came=f"{smallest:g}")


@check
def layers(server: Server) -> None:
    """train_attn, train_mlp and train_unembed choose disjoint parts of all trained matrices."""
    names = ("train_attn", "train_mlp", "train_unembed")
    whole = download(server.trainer(), "all")
    found: list[str] = []
    for name in names:
        part = download(server.trainer(**{each: each == name for each in names}), name)
        expect(len(part.tensors) > 0, f"matrices with {name} alone", part.path, "some")
        found += part.tensors
    expected = sorted(whole.tensors)
    what = "matrices of the three parts together"
    expect(sorted(found) == expected, what, whole.path, str(expected), came=str(sorted(found)))


@check
def seed(server: Server) -> None:
    """Equal seeds give equal weights, other seeds give others."""
    one, same, other = (download(server.trainer(seed=seed), f"seed-{seed}") for seed in (3, 3, 4))
    for adapter, equal in ((same, True), (other, False)):
        largest = float(np.abs(one.flat() - adapter.flat()).max())
        what = f"largest difference to another model of seed=3, {'same' if equal else 'other'} seed"
        expected = "0" if equal else "more than 0"
        expect((largest == 0.0) == equal, what, adapter.path, expected, came=f"{largest:g}")


@check
def finite_difference(server: Server) -> None:
    """The step is the gradient: the loss changes along it by its squared length."""
    forwards, backwards = twins(server)
    size = 0.02 * step_size(server) / server.tolerance.change
    before = download(forwards, "before")
    opposite = tuple(datum.replace(weights=-datum.column("weights")) for datum in PROBE)
    forwards.train(PROBE, descent(size))
    backwards.train(opposite, descent(size))
    gradient = _gradient(before, download(forwards, "after"), size)
    down = float(forwards.forward(PROBE).result().show(LOSS).array)
    up = backwards.forward(PROBE).result().show(LOSS)
    expected = down + 2 * size * global_norm(gradient) ** 2
    atol = 0.02 * (expected - down) + server.tolerance.loss * abs(expected) * 0.1
    expect_close("loss:sum, a step against the gradient", up, expected, atol=atol)


@check
def adamw(server: Server) -> None:
    """Two steps with decay, clipping and momentum move every weight as AdamW's formulas say."""
    probe, trainer = twins(server)
    size = LONG * step_size(server)
    before = download(probe, "before")
    probe.train(PROBE, descent(size))
    gradient = _gradient(before, download(probe, "gradient"), size)
    typical = float(np.sqrt(np.mean(np.concatenate([g.ravel() for g in gradient.values()]) ** 2)))
    params = types.AdamParams(
        learning_rate=1e-2,
        beta1=0.8,
        beta2=0.9,
        eps=typical / 4,
        weight_decay=5.0,
        grad_clip_norm=global_norm(gradient) / 2,
    )
    path = trainer.save_state("start")
    trainer = server.trainer_from(path, optimizer=False)
    trainer.train(PROBE, params)
    trainer.train(SILENT, params)
    optimizer = AdamW()
    wanted = optimizer.step(before.tensors, gradient, params)
    wanted = optimizer.step(wanted, {n: np.zeros_like(g) for n, g in gradient.items()}, params)
    came = download(trainer, "adamw")
    for name, weights in wanted.items():
        difference = float(np.abs(came.tensors[name] - weights).max())
        most = 2e-3 * params.learning_rate
        what = f"largest difference to AdamW in {name} after two steps"
        expected = f"at most {most:g}"
        expect(difference <= most, what, came.path, expected, came=f"{difference:g}")


@check
def clipped_length(server: Server) -> None:
    """A step whose gradient is clipped is exactly as long as `grad_clip_norm` says."""
    trainer = warm_trainer(server)
    clip = float(np.sqrt(squared_norm(server))) / 3
    size = LONG * step_size(server)
    before = download(trainer, "before")
    trainer.train(PROBE, descent(size, grad_clip_norm=clip))
    after = download(trainer, "after")
    length = global_norm(_gradient(before, after, size))
    what, exact = "length of the clipped gradient", abs(length / clip - 1) < 1e-3
    expect(exact, what, after.path, f"{clip:.6g}", came=f"{length:.6g}")


@check
def reported_norm(server: Server) -> None:
    """If a step reports `grad_norm`, it is the length of the gradient over all weights."""
    trainer = warm_trainer(server)
    size = LONG * step_size(server)
    before = download(trainer, "before")
    trainer.forward_backward(PROBE)
    reply = trainer.step(descent(size)).result()
    length = global_norm(_gradient(before, download(trainer, "after"), size))
    for name in (n for n in reply.value.metrics or {} if n.startswith("grad_norm")):
        expect_close(name, reply.show(f'$.metrics["{name}"]'), length, rtol=1e-3)
