"""The backend on torch, which is imported when the first model is loaded."""

from __future__ import annotations

import gc
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from tinker_local.errors import RequestError
from tinker_local.request_types import LoraSpec
from tinker_local.service import backend

if TYPE_CHECKING:
    from tinker_local.training.losses import LossRegistry

logger = logging.getLogger(__name__)


@frozen(kw_only=True)
class TorchBackend:
    """All models have one dtype and are on one device."""

    dtype: str = "float32"
    device: str = "cpu"
    threads: int | None = None
    """None: torch's default, one thread for each core."""
    losses: Sequence[str] = ()
    """Losses to serve beside the built-in ones, each as `module:Class`."""

    def check(self) -> None:
        """RequestError when the device or a loss cannot be used. A plain CPU costs no import."""
        if self.losses:
            self._losses()
        if self.device == "cpu":
            return
        import torch

        try:
            torch.zeros(1, device=self.device)
        except (AssertionError, RuntimeError) as error:  # torch raises both for a missing GPU
            reason = str(error).splitlines()[0]
            raise RequestError(f"--device {self.device} cannot be used: {reason}") from error

    def _losses(self) -> LossRegistry:
        from tinker_local.training.losses import built_in_losses, import_loss

        added = [import_loss(reference) for reference in self.losses]
        return built_in_losses() | {loss.name: loss for loss in added}

    def warm_up(self) -> None:
        """Import torch, transformers and our own modules."""
        gc.disable()  # imports leave no garbage, and looking for some takes a tenth of their time
        try:
            import tinker_local.model.load
            import tinker_local.sampling.continuous_batching
            import tinker_local.training.trainer  # noqa: F401
        except ImportError:
            logger.exception("the backend cannot be imported; the first request will fail")
        finally:
            gc.freeze()
            gc.enable()

    def load_model(self, folder: Path, name: str) -> backend.BaseModel:
        """Load a base model."""
        import torch

        from tinker_local.model.load import load_model

        if self.threads is not None:
            torch.set_num_threads(self.threads)
        base: backend.BaseModel = load_model(
            folder, name=name, dtype=self.dtype, device=self.device
        )
        return base

    def make_trainer(self, base: Any, spec: LoraSpec) -> backend.Trainer:
        """A new adapter and its trainer."""
        from tinker_local.training.trainer import Trainer

        trainer: backend.Trainer = Trainer(base, spec, self._losses())
        return trainer

    def make_sampler(self, base: Any) -> backend.Sampler:
        """A sampler without requests."""
        from tinker_local.sampling.continuous_batching import Sampler

        sampler: backend.Sampler = Sampler(base)
        return sampler

    def load_adapter(self, base: Any, spec: LoraSpec, tensors: backend.Tensors) -> backend.Adapter:
        """An adapter to sample with, from the tensors of a checkpoint."""
        return base.load_adapter(spec, tensors)
