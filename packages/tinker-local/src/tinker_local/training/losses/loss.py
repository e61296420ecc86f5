"""The interface of a loss function."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal

from attrs import frozen
from torch import Tensor

Inputs = Mapping[str, Tensor]
"""The inputs of a loss by name, float32, each of shape (R, K)."""


@frozen(kw_only=True)
class Loss(ABC):
    """One loss function. Its fields are its config keys, with their defaults.

    R is the number of tokens (rows). K is the number of targets of a token: 1, or more with soft
    targets.
    """

    name: ClassVar[str]
    """The `loss_fn` of a request."""
    inputs: ClassVar[tuple[str, ...]] = ()
    """The inputs that a datum must have beside `target_tokens`, in the shape of that."""
    optional_inputs: ClassVar[Mapping[str, float]] = {}
    """The inputs that a datum may leave out, and the value of all their elements in that case."""
    nonzero_inputs: ClassVar[tuple[str, ...]] = ()
    """The inputs that must not be zero everywhere in a datum."""
    soft_targets: ClassVar[bool] = False
    """`target_tokens` may have shape (N, K)."""
    level: ClassVar[Literal["token", "sequence"]] = "token"
    """At "sequence", `token_losses` gets whole sequences, one at a time; at "token", any rows."""

    @abstractmethod
    def token_losses(self, lp: Tensor, inputs: Inputs) -> Tensor:
        """The losses (R,) of tokens from the logprobs (R, K) of their targets.

        The engine differentiates them by autograd.
        """

    @abstractmethod
    def trains(self, inputs: Inputs) -> Tensor:
        """The tokens whose loss can have a gradient, bool (R,). The loss of the others is 0."""
