"""What a reinforcement-learning run is, as data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro
from attrs import field, frozen, validators

from tinker_core import ConfigError, DataError
from tinker_rl.completers import Sampling
from tinker_rl.data.dataset import ModelRLDatasetBuilder, RLDataset, RLDatasetBuilder
from tinker_rl.rollout.rollout_config import RolloutConfig
from tinker_rl.update.distillation import Distillation
from tinker_rl.update.kl_penalty import KLPenalty, check_temperature
from tinker_rl.update.optimizer_step import Learning
from tinker_train import (
    Adam,
    Cadence,
    Checkpoints,
    Constant,
    EvaluationTimes,
    Every,
    Lora,
    Reporting,
    Schedule,
)


@frozen(kw_only=True)
class Synchronous:
    """Sample a batch with the newest weights, train on it, and so on: always on-policy."""


@frozen(kw_only=True)
class Streaming:
    """As synchronous, but train on the first groups of a batch while the last are still sampled.

    The order of summation is then that of finishing, so a run is not repeated to the last bit.
    """

    minibatches: int = field(default=4, validator=validators.ge(1))
    """Pieces in which the gradient of an optimizer step is gathered; each is normalised by itself
    and has the same weight."""


@frozen(kw_only=True)
class Asynchronous:
    """Sample and train at the same time; use a loss that clips."""

    max_staleness: int = field(default=1, validator=validators.ge(0))
    """How many batches may have been trained on since a group's weights were taken, at most."""


Mode = Synchronous | Streaming | Asynchronous


@frozen(kw_only=True)
class Evaluation(EvaluationTimes):
    """When the test set is played, and how."""

    every: Cadence = field(factory=lambda: Every(steps=20))
    """Between the first step and the last; episodes cost more than a forward pass."""
    temperature: float = field(default=1.0, validator=validators.ge(0.0))
    """Of the samples; 0 takes the likeliest token."""


@frozen(kw_only=True)
class Config:
    """A reinforcement-learning run."""

    model: str = field(validator=validators.min_len(1))
    """Name of the base model, as the engine knows it."""
    data: RLDatasetBuilder | ModelRLDatasetBuilder
    """The environments to learn in."""
    run_dir: Path
    """Folder for everything that the run leaves behind."""
    renderer: str | None = None
    """How chats become tokens; the model's own way unless given."""
    start_from: str | None = None
    """A saved state (`tinker://` path) whose weights to begin with, the optimizer as new."""
    lora: Lora = field(factory=Lora)
    adam: Adam = field(factory=Adam)
    schedule: Schedule = field(factory=Constant)
    """How the learning rate goes from its peak to the end."""
    sampling: Sampling = field(factory=Sampling)
    rollouts: RolloutConfig = field(factory=RolloutConfig)
    learning: Learning = field(factory=Learning)
    kl_penalty: KLPenalty | None = None
    """Hold the policy to a reference model."""
    distillation: Annotated[Distillation | None, tyro.conf.Suppress] = None
    """Learn from teachers, beside or instead of the environments' rewards; set in code alone."""
    mode: Mode = field(factory=Synchronous)
    """How sampling and training take turns."""
    num_epochs: int = field(default=1, validator=validators.ge(1))
    """How often to go through the data, at most."""
    max_steps: int | None = field(default=None, validator=validators.optional(validators.ge(1)))
    """Where to stop although the epochs are not over."""
    checkpoints: Checkpoints = field(factory=Checkpoints)
    evaluation: Evaluation = field(factory=Evaluation)
    transcripts: int = field(default=4, validator=validators.ge(0))
    """Groups of each batch whose transcripts are kept."""
    reporting: Reporting = field(factory=Reporting)
    """Where the metrics go beside `metrics.jsonl`."""
    seed: int = field(default=0, validator=validators.ge(0))
    """Of the data, of the samples, and of the LoRA's first weights."""

    def __attrs_post_init__(self) -> None:
        if self.kl_penalty is not None or self.distillation is not None:
            check_temperature(self.sampling.temperature)
        if self.max_steps is not None and self.max_steps % self.learning.num_substeps:
            raise ConfigError(
                f"max_steps {self.max_steps} is not a multiple of num_substeps "
                f"{self.learning.num_substeps}"
            )


def num_batches(config: Config, train: RLDataset) -> int:
    """Batches in the whole run; raises DataError where the data has none."""
    if not len(train):
        raise DataError("the training data has no batch")
    batches = len(train) * config.num_epochs
    if config.max_steps is None:
        return batches
    return min(batches, config.max_steps // config.learning.num_substeps)
