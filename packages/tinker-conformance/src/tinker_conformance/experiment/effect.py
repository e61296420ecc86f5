"""Compare what two ways to an update do to equal models."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tinker_conformance.client.batch import Batch
from tinker_conformance.client.server import Server
from tinker_conformance.client.trainer import Trainer
from tinker_conformance.expect import expect_change, expect_close
from tinker_conformance.experiment.sequences import PROBE
from tinker_conformance.experiment.twins import twins

Way = Callable[[Trainer], object]


def expect_same(
    what: str, one: Trainer, other: Trainer, before: NDArray[np.float64], batch: Batch = PROBE
) -> None:
    """Two models have equal logprobs, and far enough from `before` that this means something."""
    tolerance = one.server.tolerance
    wanted, came = other.logprobs(batch), one.logprobs(batch)
    expect_change("logprobs after a step", wanted, before, more_than=5 * tolerance.logprob)
    moved = float(np.abs(wanted.array - before).max())
    expect_close(what, came, wanted.array, atol=max(tolerance.logprob, tolerance.effect * moved))


def compare(server: Server, what: str, way: Way, reference: Way) -> None:
    """Two ways to one update end at equal logprobs."""
    one, other = twins(server)
    before = one.logprobs(PROBE).array
    way(one)
    reference(other)
    expect_same(what, one, other, before)


def expect_unchanged(server: Server, what: str, trainer: Trainer, way: Way) -> None:
    """An update leaves the logprobs of a model as they are."""
    before = trainer.logprobs(PROBE).array
    way(trainer)
    expect_close(what, trainer.logprobs(PROBE), before, atol=server.tolerance.logprob)
