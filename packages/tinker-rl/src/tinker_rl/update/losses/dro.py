"""DRO: -sum (A log p - beta/2 (log p - log q)^2) (Richemond et al., 2024)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray
from tinker.types import LossFnType

from tinker_core import ConfigError
from tinker_core.validators import positive
from tinker_rl.update.losses.loss import Loss, Settings


@frozen(kw_only=True)
class Dro(Loss):
    """A quadratic pull towards the sampler in the place of a clip."""

    name: ClassVar[LossFnType] = "dro"
    beta: float = field(default=0.05, validator=positive)
    """Strength of the quadratic term."""

    def __attrs_post_init__(self) -> None:
        if self.normalise == "sequence":
            raise ConfigError("loss dro has one beta for all sequences: normalise by token or none")

    def settings(self, scales_D: NDArray[np.float64]) -> Settings | None:
        """Beta, scaled like the advantages, whose scales are all equal."""
        return {"beta": self.beta * float(scales_D[0])}
