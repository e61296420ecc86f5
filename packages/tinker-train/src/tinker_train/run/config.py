"""The settings that every kind of training run shares."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro
from attrs import field, frozen, validators

from tinker_train.checkpoint.settings import Checkpoints
from tinker_train.engine.training_client import Lora
from tinker_train.evaluation.evaluator import EvaluatorBuilder
from tinker_train.evaluation.settings import Evaluation
from tinker_train.metrics.reporting import Reporting
from tinker_train.optim.adam import Adam
from tinker_train.optim.schedule import Linear, Schedule


@frozen(kw_only=True)
class RunConfig:
    """A training run. `tinker_sl.Config`, `tinker_dpo.Config` and `tinker_rl.Config` extend it."""

    model: str = field(validator=validators.min_len(1))
    """Name of the base model, as the engine knows it."""
    run_dir: Path
    """Run directory: config, metrics, checkpoints, report."""
    renderer: str | None = None
    """Name of the renderer; absent: the recommended one of the model."""
    start_from: str | None = None
    """Checkpoint (`tinker://` path) whose weights the run starts from, with a fresh optimizer."""
    lora: Lora = field(factory=Lora)
    adam: Adam = field(factory=Adam)
    schedule: Schedule = field(factory=Linear)
    """Learning-rate schedule."""
    num_epochs: int = field(default=1, validator=validators.ge(1))
    """Passes over the training data."""
    max_steps: int | None = field(default=None, validator=validators.optional(validators.ge(1)))
    """Optimizer steps after which the run ends, even within an epoch; absent: no limit."""
    checkpoints: Checkpoints = field(factory=Checkpoints)
    evaluation: Evaluation = field(factory=Evaluation)
    evaluators: Annotated[tuple[EvaluatorBuilder, ...], tyro.conf.Suppress] = ()
    """Further evaluations of the model by sampling, at the same steps."""
    reporting: Reporting = field(factory=Reporting)
    """Metric sinks beside `metrics.jsonl`."""
    mirror: str | None = None
    """URL of any fsspec filesystem, such as `s3://bucket/run`, to which the run directory is copied
    while it is written; absent: no copy."""
    seed: int = field(default=0, validator=validators.ge(0))
    """Seed of the data order, of sampling and of the initial LoRA weights."""
