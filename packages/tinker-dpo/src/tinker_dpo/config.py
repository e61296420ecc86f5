"""The config of a preference run."""

from __future__ import annotations

from attrs import field, frozen, validators

from tinker_data import Batching
from tinker_dpo.data.builders import PreferenceDataBuilder
from tinker_dpo.data.dataset import Selection
from tinker_dpo.objectives import Dpo
from tinker_dpo.objectives.objective import Objective
from tinker_train import Adam, RunConfig
from tinker_train import Evaluation as BaseEvaluation


@frozen(kw_only=True)
class Evaluation(BaseEvaluation):
    """Settings of the evaluations of the policy during training."""

    metric: str = "test/loss"
    """Metric of early stopping."""
    kl_prompts: int = field(default=0, validator=validators.ge(0))
    """Number of held-out prompts that the policy answers to estimate its KL to the reference."""
    kl_max_tokens: int = field(default=128, validator=validators.ge(1))
    """Longest of these answers, in tokens."""


@frozen(kw_only=True)
class Config(RunConfig):
    """A preference run."""

    data: PreferenceDataBuilder
    """Training preferences and held-out preferences."""
    objective: Objective = field(factory=Dpo)
    """The loss."""
    reference: str | None = None
    """The reference model of an objective that needs one: a checkpoint (`tinker://` path) or the
    name of a base model; absent: the policy before its first step."""
    selection: Selection = field(factory=Selection)
    batching: Batching = field(factory=Batching)
    """A row is a pair, or a judged response."""
    adam: Adam = field(factory=lambda: Adam(learning_rate=1e-5))
    evaluation: Evaluation = field(factory=Evaluation)
