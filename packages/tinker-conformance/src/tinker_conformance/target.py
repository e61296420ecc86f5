"""The server that is checked, and the tolerances for its numbers."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen, validators

Precision = Literal["float32", "bfloat16"]


@frozen(kw_only=True)
class Tolerance:
    """Allowed differences between a number and its closed form."""

    logprob: float
    """Nats: two computations of one logprob, for example by the trainer and by the sampler."""
    loss: float
    """Relative: a loss, computed here from the logprobs of the same reply."""
    effect: float
    """Relative: two optimizer steps that must move the logprobs equally."""
    change: float
    """Nats: how far a step of the checks moves a logprob, well above the noise of one."""
    first_order: float
    """Relative: the change of a loss along a step of finite size, against its derivative."""
    flips: float
    """Share of continuations in which rounding may change a token when other requests run too."""


TOLERANCES: dict[Precision, Tolerance] = {
    "float32": Tolerance(
        logprob=2e-4, loss=1e-4, effect=0.02, change=0.3, first_order=0.15, flips=0.0
    ),
    "bfloat16": Tolerance(
        logprob=0.05, loss=0.02, effect=0.2, change=1.0, first_order=0.5, flips=0.25
    ),
}


@frozen(kw_only=True)
class Target:
    """A server and the base model that it is checked with."""

    base_url: str
    api_key: str = field(repr=False)
    model: str
    precision: Precision = field(default="float32", validator=validators.in_(list(TOLERANCES)))

    @property
    def tolerance(self) -> Tolerance:
        return TOLERANCES[self.precision]
