"""The config of a reinforcement-learning run."""

from __future__ import annotations

from typing import Annotated, Literal

import tyro
from attrs import field, frozen, validators

from tinker_core import ConfigError, DataError
from tinker_core.validators import non_negative
from tinker_rl.completers import Sampling
from tinker_rl.data.dataset import ModelRLDatasetBuilder, RLDataset, RLDatasetBuilder
from tinker_rl.rollout.rollout_config import RolloutConfig
from tinker_rl.update.distillation import Distillation
from tinker_rl.update.kl_penalty import KLPenalty
from tinker_rl.update.update_config import UpdateConfig
from tinker_train import Cadence, Constant, Every, RunConfig, Schedule
from tinker_train import Evaluation as BaseEvaluation


@frozen(kw_only=True)
class Synchronous:
    """Sample a batch with the newest weights, then train on it: always on-policy."""


@frozen(kw_only=True)
class Streaming:
    """Like synchronous, but train on the first groups of a batch while the last are still sampled.

    The gradient is summed in the order in which groups finish, so a run does not repeat to the bit.
    """

    micro_batches: int = field(default=4, validator=validators.ge(1))
    """Micro-batches of an optimizer step. Each is normalised on its own and has the same weight."""


@frozen(kw_only=True)
class Asynchronous:
    """Sample and train at the same time. Use a loss that clips."""

    max_staleness: int = field(default=1, validator=validators.ge(0))
    """Greatest number of batches that are trained on between a group's weights and its update."""


Mode = Synchronous | Streaming | Asynchronous


@frozen(kw_only=True)
class Evaluation(BaseEvaluation):
    """Settings of the evaluations on the test set."""

    every: Cadence = field(factory=lambda: Every(steps=20))
    """Cadence between the first step and the last."""
    metric: str = "test/reward"
    """Metric of early stopping."""
    greater_is_better: bool = True
    """True if a greater value of the metric is better."""
    temperature: float = field(default=1.0, validator=non_negative)
    """Sampling temperature; 0 is greedy."""


@frozen(kw_only=True)
class Config(RunConfig):
    """A reinforcement-learning run."""

    data: RLDatasetBuilder | ModelRLDatasetBuilder
    """Builder of the environments."""
    schedule: Schedule = field(factory=Constant)
    """Learning-rate schedule."""
    sampling: Sampling = field(factory=Sampling)
    changed_sampling: Literal["say", "refuse"] = field(
        default="say", validator=validators.in_(("say", "refuse"))
    )
    """For a temperature other than 1, top-p or top-k, which give tokens other probabilities than
    the logprobs in the loss: say so at the start, or refuse the config."""
    rollouts: RolloutConfig = field(factory=RolloutConfig)
    update: UpdateConfig = field(factory=UpdateConfig)
    kl_penalty: KLPenalty | None = None
    """Penalty on the divergence from a reference model."""
    distillation: Annotated[Distillation | None, tyro.conf.Suppress] = None
    """Teachers beside the rewards of the environments, or in their place; not on a command line."""
    mode: Mode = field(factory=Synchronous)
    """The overlap of sampling and training."""
    evaluation: Evaluation = field(factory=Evaluation)
    transcripts: int = field(default=4, validator=validators.ge(0))
    """Groups of each batch whose transcripts are written."""

    def __attrs_post_init__(self) -> None:
        compared = self.kl_penalty is not None or self.distillation is not None
        if self.sampling.changes and (compared or self.changed_sampling == "refuse"):
            why = "with a KL penalty or a teacher" if compared else "with changed_sampling=refuse"
            raise ConfigError(f"sampling has {self.sampling.changes}, but {why} {_AT_ONE}")
        steps = self.update.num_substeps
        if self.max_steps is not None and self.max_steps % steps:
            raise ConfigError(
                f"max_steps {self.max_steps} is not a multiple of update.num_substeps {steps}"
            )
        if steps > 1 and self.update.recompute_logprobs and isinstance(self.mode, Streaming):
            raise ConfigError(
                "update.recompute_logprobs with the streaming mode needs update.num_substeps 1: "
                "later parts of a batch would be compared with weights that were trained on it"
            )


_AT_ONE = "tokens must be sampled at temperature 1 without top-p or top-k, as their logprobs are"


def num_batches(config: Config, train: RLDataset) -> int:
    """Batches in the whole run. Raises DataError for data without a batch."""
    if not len(train):
        raise DataError("the training data has no batch")
    batches = len(train) * config.num_epochs
    if config.max_steps is None:
        return batches
    return min(batches, config.max_steps // config.update.num_substeps)
