"""Plain gradient descent with Adam, and a step size with an effect of a known size.

With beta1 = 0 and eps far above every gradient, Adam's update lr * g / (sqrt(v) + eps) becomes
(lr / eps) * g. So a client of any server can take a step along the gradient itself.
"""

from __future__ import annotations

import numpy as np
from tinker import types

from tinker_conformance.client.server import Server
from tinker_conformance.client.trainer import LOSS
from tinker_conformance.expect import Blocked
from tinker_conformance.experiment.sequences import PROBE
from tinker_conformance.experiment.twins import warm_trainer

EPS = 1e6
"""Far above the square root of any second moment."""
CANDIDATES = tuple(float(size) for size in 10.0 ** np.arange(-7, 2))
_KEY = "squared gradient norm"


def descent(size: float, **others: float) -> types.AdamParams:
    """weights -= size * gradient."""
    return types.AdamParams(learning_rate=size * EPS, beta1=0.0, eps=EPS, **others)


def squared_norm(server: Server) -> float:
    """Of the gradient of `PROBE` at a warm model: the decrease of the loss per unit of step size.

    Steps of growing size are submitted together; the first with an effect above the noise counts.
    """
    if _KEY in server.measured:
        return server.measured[_KEY]
    trainer = warm_trainer(server)
    losses = []
    for size in CANDIDATES:
        losses.append(trainer.train(PROBE, descent(size)))
    values = [float(call.result().show(LOSS).array) for call in losses]
    noise = server.tolerance.logprob * sum(len(row.tokens) for row in PROBE)
    for size, before, after in zip(CANDIDATES, values, values[1:], strict=False):
        if before - after > 3 * noise:
            server.measured[_KEY] = (before - after) / size
            return server.measured[_KEY]
    raise Blocked(f"no step along the gradient lowers the loss; losses were {np.round(values, 4)}")


def step_size(server: Server, change: float | None = None) -> float:
    """A step of this size moves the logprobs of `PROBE` by about `change` nats."""
    wanted = server.tolerance.change if change is None else change
    return wanted * sum(len(row.tokens) for row in PROBE) / squared_norm(server)
