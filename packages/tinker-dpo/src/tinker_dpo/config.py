"""What a preference run is, as data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Protocol

import tyro
from attrs import field, frozen, validators

from tinker_data import Batching
from tinker_dpo.data.builders import PreferenceDataBuilder
from tinker_dpo.data.items import Selection
from tinker_dpo.objectives.objective import Dpo, Objective
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
    """When the held-out preferences are measured, and how."""

    kl_prompts: int = field(default=0, validator=validators.ge(0))
    """On so many of the held-out prompts an answer is sampled each time, to measure how far the
    policy is from the reference."""
    kl_max_tokens: int = field(default=128, validator=validators.ge(1))
    """Longest of these answers; what comes later is not measured."""


class EvaluatorBuilder(Protocol):
    """A frozen config that makes an evaluator."""

    def build(self, *, renderer: Renderer) -> SamplingClientEvaluator:
        """The evaluator."""
        ...


@frozen(kw_only=True)
class Config:
    """A preference run."""

    model: str = field(validator=validators.min_len(1))
    """Name of the base model, as the engine knows it."""
    data: PreferenceDataBuilder
    """What to learn from."""
    run_dir: Path
    """Folder for everything that the run leaves behind."""
    objective: Objective = field(factory=Dpo)
    """What is minimised."""
    reference: str | None = None
    """What an objective that needs one is held to: a saved state (`tinker://` path) or the name of
    a base model; the policy as it is before the first step unless given."""
    start_from: str | None = None
    """A saved state (`tinker://` path) whose weights to begin with, the optimizer as new."""
    renderer: str | None = None
    """How chats become tokens; the model's own way unless given."""
    selection: Selection = field(factory=Selection)
    batching: Batching = field(factory=Batching)
    """A row is a pair, or a judged response."""
    lora: Lora = field(factory=Lora)
    adam: Adam = field(factory=lambda: Adam(learning_rate=1e-5))
    schedule: Schedule = field(factory=Linear)
    """How the learning rate goes from its peak to the end."""
    num_epochs: int = field(default=1, validator=validators.ge(1))
    """How often to go through the data, at most."""
    max_steps: int | None = field(default=None, validator=validators.optional(validators.ge(1)))
    """Where to stop although the epochs are not over."""
    checkpoints: Checkpoints = field(factory=Checkpoints)
    evaluation: Evaluation = field(factory=Evaluation)
    evaluators: Annotated[tuple[EvaluatorBuilder, ...], tyro.conf.Suppress] = ()
    """What else is measured with the held-out data, by sampling from the model."""
    reporting: Reporting = field(factory=Reporting)
    seed: int = field(default=0, validator=validators.ge(0))
    """Of the order of the data and of the LoRA's first weights."""
