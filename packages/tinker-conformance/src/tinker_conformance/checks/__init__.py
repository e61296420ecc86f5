"""The checks, one folder for each side of the API and one module for each group."""

from __future__ import annotations

from tinker_conformance.check import Check, checks_of
from tinker_conformance.checks.sampling import draw, logprob, prompt, stop
from tinker_conformance.checks.service import (
    checkpoint,
    client,
    image,
    limit,
    refusal,
    rest,
    ttl,
)
from tinker_conformance.checks.training import gradient, loss, optimizer, target, weights

TRAINING = (loss, gradient, target, optimizer, weights)
SAMPLING = (logprob, prompt, draw, stop)
SERVICE = (checkpoint, client, refusal, limit, rest, ttl, image)
GROUPS = (*TRAINING, *SAMPLING, *SERVICE)


def all_checks() -> tuple[Check, ...]:
    """Every check, group by group; each group builds only on those before it."""
    return tuple(check for module in GROUPS for check in checks_of(module))
