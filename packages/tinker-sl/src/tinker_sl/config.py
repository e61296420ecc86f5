"""The config of a supervised run."""

from __future__ import annotations

from attrs import field, frozen, validators

from tinker_core import Normalisation
from tinker_data import SupervisedDatasetBuilder
from tinker_train import RunConfig


@frozen(kw_only=True)
class Config(RunConfig):
    """A supervised run."""

    data: SupervisedDatasetBuilder
    """Training data and held-out data."""
    normalisation: Normalisation = field(
        default="token", validator=validators.in_(("token", "sequence", "none"))
    )
    """The loss of a batch: its mean over tokens (`token`), over datums (`sequence`), or a sum."""
    submit_ahead: int = field(default=1, validator=validators.ge(0))
    """Steps in flight when the next one is submitted; 0 waits for each step."""
