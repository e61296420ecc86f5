"""What a supervised run is, as data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Protocol

import tyro
from attrs import field, frozen, validators

from tinker_data import Normalisation, SupervisedDatasetBuilder
from tinker_render import Renderer
from tinker_train import (
    Adam,
    Checkpoints,
    EvaluationTimes,
    Linear,
    Lora,
    Reporting,
    SamplingClientEvaluator,
    Schedule,
)


@frozen(kw_only=True)
class Evaluation(EvaluationTimes):
    """When the held-out data is measured, and what follows from it."""

    patience: int | None = field(default=None, validator=validators.optional(validators.ge(1)))
    """End the run after so many measurements in a row without a new best; without it, never."""
    metric: str = "test/nll"
    """What patience looks at; less is better."""


class EvaluatorBuilder(Protocol):
    """A frozen config that makes an evaluator."""

    def build(self, *, renderer: Renderer) -> SamplingClientEvaluator:
        """The evaluator."""
        ...


@frozen(kw_only=True)
class Config:
    """A supervised run."""

    model: str = field(validator=validators.min_len(1))
    """Name of the base model, as the engine knows it."""
    data: SupervisedDatasetBuilder
    """What to learn from."""
    run_dir: Path
    """Folder for everything that the run leaves behind."""
    renderer: str | None = None
    """How chats become tokens; the model's own way unless given."""
    start_from: str | None = None
    """A saved state (`tinker://` path) whose weights to begin with, the optimizer as new."""
    lora: Lora = field(factory=Lora)
    adam: Adam = field(factory=Adam)
    schedule: Schedule = field(factory=Linear)
    """How the learning rate goes from its peak to the end."""
    normalisation: Normalisation = "per_token"
    """What the loss of a batch is: the mean over its tokens, over its datums, or a plain sum."""
    num_epochs: int = field(default=1, validator=validators.ge(1))
    """How often to go through the data, at most."""
    max_steps: int | None = field(default=None, validator=validators.optional(validators.ge(1)))
    """Where to stop although the epochs are not over."""
    checkpoints: Checkpoints = field(factory=Checkpoints)
    evaluation: Evaluation = field(factory=Evaluation)
    evaluators: Annotated[tuple[EvaluatorBuilder, ...], tyro.conf.Suppress] = ()
    """What else is measured with the held-out data, by sampling from the model."""
    reporting: Reporting = field(factory=Reporting)
    submit_ahead: int = field(default=1, validator=validators.ge(0))
    """Steps submitted before the one ahead of them is back, so that the engine never waits."""
    seed: int = field(default=0, validator=validators.ge(0))
    """Of the order of the data and of the LoRA's first weights."""
