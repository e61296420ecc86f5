"""Models in memory: base models, LoRA adapters in training, and adapters to sample with.

Only the worker thread may use it.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from attrs import define, evolve, field, frozen

from tinker_local.errors import RequestError
from tinker_local.request_types import LoraSpec, SampleRequest
from tinker_local.service.backend import (
    Adapter,
    Backend,
    BaseModel,
    Sampler,
    SequenceGroup,
    Trainer,
)
from tinker_local.storage.checkpoint_path import CheckpointPath
from tinker_local.storage.checkpoint_store import CheckpointMetadata, CheckpointStore
from tinker_local.storage.snapshot_store import SnapshotStore

logger = logging.getLogger(__name__)

OPTIMIZER = "optimizer."
"""The prefix of the optimizer's tensors in a trainer's state."""
MAX_ADAPTERS = 4
"""Adapters to sample with that stay in memory, beside those that running requests use."""


@frozen(kw_only=True)
class ModelLocation:
    """A base model by the name that the client uses, and its folder."""

    name: str
    folder: Path


@define(kw_only=True, eq=False)
class Run:
    """A training run: a LoRA adapter in training."""

    model: ModelLocation
    spec: LoraSpec
    trainer: Trainer
    inflight: Adapter | None = None
    """The newest adapter that was saved for the samplers that follow the training."""


@frozen(kw_only=True)
class SamplerSource:
    """The source of a sampler's weights; without the options, the base model alone."""

    model: ModelLocation
    path: CheckpointPath | None = None
    """A checkpoint."""
    run: str | None = None
    """The inflight adapter of a training run."""
    snapshot: bool = False
    """The snapshot of this sampler."""


@define(eq=False)
class LoadedModels:
    """All models, runs and adapters by id."""

    backend: Backend
    checkpoints: CheckpointStore
    snapshots: SnapshotStore
    pinned: set[Path] = field(factory=set)
    """The folders of base models that are never unloaded."""
    bases: dict[Path, BaseModel] = field(factory=dict)
    samplers: dict[Path, Sampler] = field(factory=dict)
    runs: dict[str, Run] = field(factory=dict)
    sources: dict[str, SamplerSource] = field(factory=dict)
    """By sampler."""
    adapters: OrderedDict[str, Adapter] = field(factory=OrderedDict)
    """By sampler, in LRU order."""

    def base(self, model: ModelLocation) -> BaseModel:
        """A loaded base model. Before another one is loaded, those in no use are unloaded."""
        if model.folder not in self.bases:
            used = {run.model.folder for run in self.runs.values()} | self.pinned
            used |= {source.model.folder for source in self.sources.values()}
            for folder in self.bases.keys() - used:
                del self.bases[folder]
                self.samplers.pop(folder, None)
            self.bases[model.folder] = self.backend.load_model(model.folder, model.name)
        return self.bases[model.folder]

    def preload(self, model: ModelLocation) -> None:
        """Load a base model that is never unloaded."""
        self.pinned.add(model.folder)
        self.base(model)

    def create_run(self, run_id: str, model: ModelLocation, spec: LoraSpec) -> str:
        """Start a run with a new adapter; its base model's architecture and trained layers."""
        base = self.base(model)
        trainer = self.backend.make_trainer(base, spec)
        self.runs[run_id] = Run(model=model, spec=spec, trainer=trainer)
        layers = ", ".join(f"{count} {kind}" for kind, count in trainer.layers.items())
        logger.info("model %s: LoRA of rank %d on %s: %s", run_id, spec.rank, model.name, layers)
        return f"{base.architecture}, LoRA on {layers}"

    def create_run_from(
        self, run_id: str, model: ModelLocation, path: CheckpointPath, *, optimizer: bool
    ) -> str:
        """Start a run from a checkpoint; see `create_run`."""
        architecture = self.create_run(run_id, model, self.checkpoints.metadata(path).spec)
        try:
            self.load_run(run_id, path, optimizer=optimizer)
        except BaseException:
            self.unload_run(run_id)
            raise
        return architecture

    def run(self, run_id: str) -> Run:
        """A run, unless its session has ended."""
        if run_id not in self.runs:
            raise RequestError(f"model {run_id} is gone: its session has ended")
        return self.runs[run_id]

    def load_run(self, run_id: str, path: CheckpointPath, *, optimizer: bool) -> None:
        """Replace the weights of a run by a checkpoint's, and the optimizer's state if asked."""
        run = self.run(run_id)
        spec = self.checkpoints.metadata(path).spec
        if _shape(spec) != _shape(run.spec):
            raise RequestError(f"{path} has {spec}, but the model has {run.spec}")
        tensors = self.checkpoints.tensors(path, optimizer=optimizer)
        run.trainer.load_state(tensors, optimizer=optimizer)

    def save_run(
        self,
        run_id: str,
        path: CheckpointPath,
        metadata: CheckpointMetadata,
        *,
        overwrite: bool = False,
    ) -> int:
        """Write a checkpoint, with the optimizer's state if it is of `weights`; its bytes."""
        state = self.run(run_id).trainer.state(optimizer=path.kind == "weights")
        optimizer = {name: state.pop(name) for name in list(state) if name.startswith(OPTIMIZER)}
        parameters = self.run(run_id).trainer.target_parameters
        metadata = evolve(metadata, target_parameters=parameters)
        return self.checkpoints.write(path, metadata, state, optimizer, overwrite=overwrite)

    def unload_run(self, run_id: str) -> None:
        """Free a run."""
        self.runs.pop(run_id, None)

    def snapshot(self, run_id: str, sampler_id: str, *, inflight: bool) -> None:
        """Make a sampler of the current weights of a run, or (inflight) of its newest ones."""
        run = self.run(run_id)
        adapter = run.trainer.adapter()
        if inflight:
            run.inflight = adapter
            self.sources[sampler_id] = SamplerSource(model=run.model, run=run_id)
            return
        self.snapshots.put(sampler_id, run.spec, run.trainer.state(optimizer=False))
        self.sources[sampler_id] = SamplerSource(model=run.model, snapshot=True)
        self._cache_adapter(sampler_id, adapter)

    def add_sampler(self, sampler_id: str, source: SamplerSource) -> None:
        """Add a sampler. Its weights are loaded with its first request."""
        self.sources.setdefault(sampler_id, source)

    def remove_samplers(self, sampler_ids: Iterable[str]) -> None:
        """Free samplers, their adapters and their snapshots."""
        for sampler_id in sampler_ids:
            self.sources.pop(sampler_id, None)
            self.adapters.pop(sampler_id, None)
            self.snapshots.drop(sampler_id)

    def start_sample(
        self, sampler_id: str, request: SampleRequest
    ) -> tuple[Sampler, SequenceGroup]:
        """Add a request to the sampler of its base model."""
        if sampler_id not in self.sources:
            raise RequestError(f"sampler {sampler_id} is gone: its session has ended")
        source = self.sources[sampler_id]
        adapter = self._adapter(sampler_id, source)
        folder = source.model.folder
        if folder not in self.samplers:
            self.samplers[folder] = self.backend.make_sampler(self.base(source.model))
        sampler = self.samplers[folder]
        return sampler, sampler.add(request, adapter)

    def discard_sampler(self, sampler: Sampler) -> None:
        """Drop a sampler that has failed. The next request makes a new one."""
        for folder in [folder for folder, other in self.samplers.items() if other is sampler]:
            del self.samplers[folder]

    def _cache_adapter(self, sampler_id: str, adapter: Adapter) -> None:
        """Keep an adapter in memory and evict the least recently used ones."""
        self.adapters[sampler_id] = adapter
        while len(self.adapters) > MAX_ADAPTERS:
            self.adapters.popitem(last=False)

    def _adapter(self, sampler_id: str, source: SamplerSource) -> Adapter | None:
        """The adapter of a sampler, loaded if need be; None for a sampler of the base model."""
        if source.run is not None:
            return self.run(source.run).inflight
        if source.path is None and not source.snapshot:
            return None
        if sampler_id in self.adapters:
            self.adapters.move_to_end(sampler_id)
            self.snapshots.touch(sampler_id)
            return self.adapters[sampler_id]
        if source.path is not None:
            spec = self.checkpoints.metadata(source.path).spec
            tensors: dict[str, Any] = self.checkpoints.tensors(source.path, optimizer=False)
        else:
            spec, tensors = self.snapshots.get(sampler_id)
        adapter = self.backend.load_adapter(self.base(source.model), spec, tensors)
        self._cache_adapter(sampler_id, adapter)
        return adapter


def _shape(spec: LoraSpec) -> tuple[int, bool, bool, bool]:
    """The part of a spec that decides the shapes of the tensors."""
    return spec.rank, spec.train_attn, spec.train_mlp, spec.train_unembed
