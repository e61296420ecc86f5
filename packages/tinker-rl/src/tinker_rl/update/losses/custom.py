"""A policy loss in numpy, for losses that the engine lacks.

The loss is sent as a forward pass, then as cross-entropy with the weights -dloss/dlogprob, whose
backward pass is that of the loss.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from attrs import frozen
from tinker.types import LossFnType

from tinker_rl.update.losses.loss import Loss
from tinker_rl.update.training_sequence import Floats


@frozen(kw_only=True)
class CustomLoss(Loss):
    """A policy loss whose gradient is computed here, by one more forward pass."""

    name: ClassVar[LossFnType] = "cross_entropy"

    @abstractmethod
    def slopes(self, p_S: Floats, q_S: Floats, advantages_S: Floats) -> Floats:
        """The derivative of a sequence's loss by each logprob of the trained model, shape (S,).

        All arrays are about the S sampled tokens. `p_S` are the logprobs of the trained model and
        `q_S` those of the sampler. `advantages_S` are normalised already.
        """
