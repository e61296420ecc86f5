"""Plain gradient descent with Adam, and a step size with an effect of a known size.

With beta1 = 0 and eps far above every gradient, Adam's update lr * g / (sqrt(v) + eps) becomes
(lr / eps) * g. So a client of any server can take a step along the gradient itself.
"""

from __future__ import annotations

import numpy as np
from tinker import types

from tinker_conformance.client.server import Server
from tinker_conformance.client.trainer import LOSS
from tinker_conformance.expect import fail
from tinker_conformance.experiment.sequences import PROBE
from tinker_conformance.experiment.twins import warm_trainer

EPS = 1e6
"""Far above the square root of any second moment."""
CANDIDATES = tuple(float(size) for size in 10.0 ** np.arange(-7, 2))


def descent(size: float, **others: float) -> types.AdamParams:
    """weights -= size * gradient."""
    return types.AdamParams(learning_rate=size * EPS, beta1=0.0, eps=EPS, **others)


def squared_norm(server: Server) -> float:
    """Of the gradient of `PROBE` at a warm model: the decrease of the loss per unit of step size.

    Steps of growing size are submitted together; the first with an effect above the noise counts.
    """
    if server.known.squared_norm is None:
        server.known.squared_norm = _measure(server)
    return server.known.squared_norm


def _measure(server: Server) -> float:
    trainer = warm_trainer(server)
    replies = [trainer.train(PROBE, descent(size)) for size in CANDIDATES]
    shown = [reply.result().show(LOSS) for reply in replies]
    losses = [float(loss.array) for loss in shown]
    for size, before, after in zip(CANDIDATES, losses, losses[1:], strict=False):
        if before - after > 3 * server.tolerance.logprob:
            return (before - after) / size
    largest = f"{CANDIDATES[0]:g} to {CANDIDATES[-2]:g}"
    fail(
        "loss:sum after steps along the gradient",
        shown[-1],
        f"a decrease for some step size from {largest}",
        came=str([round(loss, 6) for loss in losses]),
    )


def step_size(server: Server, change: float | None = None) -> float:
    """A step of this size moves the logprobs of `PROBE` by about `change` nats."""
    wanted = server.tolerance.change if change is None else change
    return wanted * sum(len(datum.tokens) for datum in PROBE) / squared_norm(server)
