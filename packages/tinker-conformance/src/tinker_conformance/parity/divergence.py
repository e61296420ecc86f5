"""The differences between two runs of one plan, and the tolerances.

A LoRA starts from random numbers, and two engines draw them differently from one seed. So engine A
runs the plan with a second seed, too: runs on A and B may differ by the tolerance and twice what
the two seeds on A differ by. Before the first step a LoRA changes nothing, so there the seeds agree
and the tolerance alone counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from attrs import frozen
from rich.table import Table

from tinker_conformance.parity.trajectory import Step, Trajectory
from tinker_conformance.target import Precision

SEEDS = 2.0
"""Differences may exceed the tolerance by this multiple of the difference of two seeds."""


@frozen(kw_only=True)
class Allowed:
    """Tolerances of a comparison, beside the difference of two seeds."""

    logprob: float
    """Mean difference in nats."""
    loss: float
    """Of the loss per token."""
    gradient_norm: float
    """Relative."""


ALLOWED: dict[Precision, Allowed] = {
    "float32": Allowed(logprob=1e-3, loss=1e-3, gradient_norm=0.02),
    "bfloat16": Allowed(logprob=0.05, loss=0.05, gradient_norm=0.2),
}


@frozen(kw_only=True)
class Divergence:
    """One quantity of one step on both servers."""

    step: int
    quantity: str
    a: float
    b: float
    difference: float
    seeds: float
    """The same difference between two seeds on A."""
    allowed: float

    @property
    def within(self) -> bool:
        return self.difference <= self.allowed  # False for a NaN


def divergences(
    a: Trajectory, b: Trajectory, other_seed: Trajectory, allowed: Allowed
) -> list[Divergence]:
    """Loss, gradient norm (where both report one) and logprobs of every step."""
    rows = []
    for number, (one, two, seed) in enumerate(zip(a.steps, b.steps, other_seed.steps, strict=True)):
        rows += _compare(number, one, two, seed, allowed)
    return rows


def _compare(number: int, one: Step, two: Step, seed: Step, allowed: Allowed) -> list[Divergence]:
    steps = (one, two, seed)
    losses = [step.loss / len(step.logprobs) for step in steps]
    seeds = abs(losses[0] - losses[2])
    rows = [_row(number, "loss per token", losses, abs(losses[0] - losses[1]), seeds, allowed.loss)]
    norms = [step.gradient_norm for step in steps if step.gradient_norm is not None]
    if len(norms) == len(steps):
        difference, seeds = (_relative(norms[0], norm) for norm in norms[1:])
        rows.append(_row(number, "gradient norm", norms, difference, seeds, allowed.gradient_norm))
    means = [float(step.logprobs.mean()) for step in steps]
    difference, seeds = (float(np.abs(one.logprobs - s.logprobs).mean()) for s in (two, seed))
    return [*rows, _row(number, "mean logprob", means, difference, seeds, allowed.logprob)]


def _row(
    step: int,
    quantity: str,
    values: Sequence[float],
    difference: float,
    seeds: float,
    tolerance: float,
) -> Divergence:
    return Divergence(
        step=step,
        quantity=quantity,
        a=values[0],
        b=values[1],
        difference=difference,
        seeds=seeds,
        allowed=tolerance + SEEDS * seeds,
    )


def _relative(one: float, two: float) -> float:
    return abs(one - two) / max(abs(one), abs(two), 1e-12)


def table(rows: Sequence[Divergence]) -> Table:
    """All quantities, one a row."""
    made = Table("step", "quantity", "A", "B", "difference", "of two seeds", "allowed", "")
    for each in rows:
        verdict = "[green]within[/]" if each.within else "[bold red]beyond[/]"
        numbers = (f"{value:.2e}" for value in (each.difference, each.seeds, each.allowed))
        pair = (f"{each.a:.6g}", f"{each.b:.6g}")
        made.add_row(str(each.step), each.quantity, *pair, *numbers, verdict)
    return made
