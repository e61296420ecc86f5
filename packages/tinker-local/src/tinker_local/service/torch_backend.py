"""The compute side as it is: torch, imported when the first model is loaded."""

from __future__ import annotations

import gc
import logging
from pathlib import Path
from typing import Any

from attrs import frozen

from tinker_local.errors import RequestError
from tinker_local.request_types import LoraSpec
from tinker_local.service import backend

logger = logging.getLogger(__name__)


@frozen(kw_only=True)
class TorchCompute:
    """Models in one dtype on one device."""

    dtype: str = "float32"
    device: str = "cpu"
    threads: int | None = None
    """None leaves it to torch: one for each core."""

    def check_device(self) -> None:
        """RequestError when torch cannot compute there; the CPU is not asked about."""
        if self.device == "cpu":
            return
        import torch

        try:
            torch.zeros(1, device=self.device)
        except (AssertionError, RuntimeError) as error:  # what torch says to a missing GPU
            reason = str(error).splitlines()[0]
            raise RequestError(f"--device {self.device} cannot be used: {reason}") from error

    def warm(self) -> None:
        gc.disable()  # what is imported stays: looking through it again and again takes a tenth
        try:
            import tinker_local.model.load
            import tinker_local.sampling.continuous_batching
            import tinker_local.training.trainer  # noqa: F401
        except ImportError:
            logger.exception("the compute side cannot be imported; the first request will say so")
        finally:
            gc.freeze()
            gc.enable()

    def load(self, folder: Path, name: str) -> backend.Base:
        import torch

        from tinker_local.model.load import load_model

        if self.threads is not None:
            torch.set_num_threads(self.threads)
        base: backend.Base = load_model(folder, name=name, dtype=self.dtype, device=self.device)
        return base

    def trainer(self, base: Any, spec: LoraSpec) -> backend.Trainer:
        from tinker_local.training.trainer import Trainer

        trainer: backend.Trainer = Trainer(base, spec)
        return trainer

    def sampler(self, base: Any) -> backend.Sampler:
        from tinker_local.sampling.continuous_batching import Sampler

        sampler: backend.Sampler = Sampler(base)
        return sampler

    def adapter(self, base: Any, spec: LoraSpec, tensors: backend.Tensors) -> backend.Adapter:
        from tinker_local.model.adapter import Adapter

        return Adapter.from_state(base, spec, tensors)
