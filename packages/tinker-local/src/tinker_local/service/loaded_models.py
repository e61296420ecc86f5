"""What the worker's thread holds: loaded models, LoRAs in training, weights to sample from.

Only that thread may touch an `Engine`; the scheduler calls it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from tinker_local.errors import RequestError
from tinker_local.request_types import LoraSpec, SampleRequest
from tinker_local.service.backend import Adapter, Base, Compute, Sampler, Ticket, Trainer
from tinker_local.storage.checkpoint_path import TinkerPath
from tinker_local.storage.checkpoint_store import Meta, Store
from tinker_local.storage.snapshot_store import Shelf

OPTIMIZER = "optimizer."
"""The names of a trainer's tensors that are not the adapter's begin so."""
MAX_ADAPTERS = 4
"""Sampler weights in memory at a time, beside those that running requests hold."""


@frozen(kw_only=True)
class ModelName:
    """A base model: what the client calls it, and where it lies."""

    name: str
    folder: Path


@define(kw_only=True, eq=False)
class Run:
    """A LoRA in training."""

    model: ModelName
    spec: LoraSpec
    trainer: Trainer
    inflight: Adapter | None = None
    """The newest weights that were saved for samplers that follow the training."""


@frozen(kw_only=True)
class Source:
    """Where a sampler's weights come from: a checkpoint, a run's newest, a snapshot or the base."""

    model: ModelName
    path: TinkerPath | None = None
    run: str | None = None
    snapshot: bool = False


@define(eq=False)
class Engine:
    """All that computes, by id."""

    compute: Compute
    store: Store
    shelf: Shelf
    pinned: set[Path] = field(factory=set)
    """Folders of base models that stay loaded though nobody uses them."""
    bases: dict[Path, Base] = field(factory=dict)
    samplers: dict[Path, Sampler] = field(factory=dict)
    runs: dict[str, Run] = field(factory=dict)
    sources: dict[str, Source] = field(factory=dict)
    adapters: OrderedDict[str, Adapter] = field(factory=OrderedDict)
    """By sampler, least recently used first."""

    def base(self, model: ModelName) -> Base:
        """A loaded base model; the ones that nobody uses make room for a new one."""
        if model.folder not in self.bases:
            used = {run.model.folder for run in self.runs.values()} | self.pinned
            used |= {source.model.folder for source in self.sources.values()}
            for folder in self.bases.keys() - used:
                del self.bases[folder]
                self.samplers.pop(folder, None)
            self.bases[model.folder] = self.compute.load(model.folder, model.name)
        return self.bases[model.folder]

    def preload(self, model: ModelName) -> None:
        self.pinned.add(model.folder)
        self.base(model)

    def create_run(self, run_id: str, model: ModelName, spec: LoraSpec) -> str:
        """A new LoRA; its base model's architecture."""
        base = self.base(model)
        self.runs[run_id] = Run(model=model, spec=spec, trainer=self.compute.trainer(base, spec))
        return base.architecture

    def create_run_from(
        self, run_id: str, model: ModelName, path: TinkerPath, *, optimizer: bool
    ) -> str:
        """A new LoRA with a checkpoint's shape and weights; its base model's architecture."""
        architecture = self.create_run(run_id, model, self.store.meta(path).spec)
        try:
            self.load_run(run_id, path, optimizer=optimizer)
        except BaseException:
            self.forget_run(run_id)
            raise
        return architecture

    def run(self, run_id: str) -> Run:
        if run_id not in self.runs:
            raise RequestError(f"model {run_id} is gone: its session has ended")
        return self.runs[run_id]

    def load_run(self, run_id: str, path: TinkerPath, *, optimizer: bool) -> None:
        """Replace a LoRA's weights by a checkpoint's; the optimizer starts anew unless asked."""
        run = self.run(run_id)
        meta = self.store.meta(path)
        shape = (meta.spec.rank, meta.spec.train_attn, meta.spec.train_mlp, meta.spec.train_unembed)
        spec = run.spec
        if shape != (spec.rank, spec.train_attn, spec.train_mlp, spec.train_unembed):
            raise RequestError(f"{path} holds {meta.spec}, but the model is {spec}")
        tensors = self.store.tensors(path, optimizer=optimizer)
        run.trainer.load_state(tensors, optimizer=optimizer)

    def save_run(
        self, run_id: str, path: TinkerPath, meta: Meta, *, overwrite: bool = False
    ) -> int:
        """Write a checkpoint, with the optimizer if its kind has one; its size in bytes."""
        keep = path.kind == "weights"
        state = self.run(run_id).trainer.state(optimizer=keep)
        optimizer = {name: state.pop(name) for name in list(state) if name.startswith(OPTIMIZER)}
        return self.store.write(path, meta, state, optimizer, overwrite=overwrite)

    def snapshot(self, run_id: str, sampler_id: str, *, inflight: bool) -> None:
        """A sampler of a run's weights as they are now, or (inflight) as last saved this way."""
        run = self.run(run_id)
        adapter = run.trainer.adapter()
        if inflight:
            run.inflight = adapter
            self.sources[sampler_id] = Source(model=run.model, run=run_id)
            return
        self.shelf.put(sampler_id, run.spec, run.trainer.state(optimizer=False))
        self.sources[sampler_id] = Source(model=run.model, snapshot=True)
        self._keep(sampler_id, adapter)

    def add_source(self, sampler_id: str, source: Source) -> None:
        """Say what a sampler samples from; the weights are loaded when first used."""
        self.sources.setdefault(sampler_id, source)

    def _keep(self, sampler_id: str, adapter: Adapter) -> None:
        self.adapters[sampler_id] = adapter
        while len(self.adapters) > MAX_ADAPTERS:
            self.adapters.popitem(last=False)

    def _adapter(self, sampler_id: str, source: Source) -> Adapter | None:
        if source.run is not None:
            return self.run(source.run).inflight
        if source.path is None and not source.snapshot:
            return None
        if sampler_id in self.adapters:
            self.adapters.move_to_end(sampler_id)
            self.shelf.touch(sampler_id)
            return self.adapters[sampler_id]
        if source.path is not None:
            spec = self.store.meta(source.path).spec
            tensors: dict[str, Any] = self.store.tensors(source.path, optimizer=False)
        else:
            spec, tensors = self.shelf.get(sampler_id)
        adapter = self.compute.adapter(self.base(source.model), spec, tensors)
        self._keep(sampler_id, adapter)
        return adapter

    def start_sample(self, sampler_id: str, request: SampleRequest) -> tuple[Sampler, Ticket]:
        """Hand a request to the sampler of its base model."""
        if sampler_id not in self.sources:
            raise RequestError(f"sampler {sampler_id} is gone: its session has ended")
        source = self.sources[sampler_id]
        adapter = self._adapter(sampler_id, source)
        folder = source.model.folder
        if folder not in self.samplers:
            self.samplers[folder] = self.compute.sampler(self.base(source.model))
        sampler = self.samplers[folder]
        return sampler, sampler.add(request, adapter)

    def discard_sampler(self, sampler: Sampler) -> None:
        """Forget a sampler that broke; the next request makes a new one."""
        for folder in [folder for folder, one in self.samplers.items() if one is sampler]:
            del self.samplers[folder]

    def forget_run(self, run_id: str) -> None:
        self.runs.pop(run_id, None)

    def forget_samplers(self, sampler_ids: Iterable[str]) -> None:
        for sampler_id in sampler_ids:
            self.sources.pop(sampler_id, None)
            self.adapters.pop(sampler_id, None)
            self.shelf.drop(sampler_id)
