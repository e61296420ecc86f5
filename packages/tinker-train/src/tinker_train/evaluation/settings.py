"""Settings of the evaluations during training."""

from __future__ import annotations

from attrs import field, frozen, validators

from tinker_train.config.cadence import Cadence, Every


@frozen(kw_only=True)
class Evaluation:
    """Settings of the evaluations during training, and of early stopping."""

    every: Cadence = field(factory=lambda: Every(steps=10))
    """Cadence between the first step and the last."""
    at_start: bool = True
    """Evaluate before the first step."""
    at_end: bool = True
    """Evaluate after the last step."""
    patience: int | None = field(default=None, validator=validators.optional(validators.ge(1)))
    """Early stopping: end the run after so many evaluations in a row without a new best; absent:
    never. A metric that is not finite ends the run at once."""
    metric: str = "test/nll"
    """Metric of early stopping."""
    greater_is_better: bool = False
    """True if a greater value of the metric is better; otherwise a smaller one is."""
