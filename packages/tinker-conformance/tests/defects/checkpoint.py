"""Wrong checkpoints, and clients that get in each other's way."""

from __future__ import annotations

import attrs

from defects.defect import defect
from tinker_local.api.routes import samplers, training_runs, weights
from tinker_local.service.futures import FutureTable
from tinker_local.service.loaded_models import LoadedModels
from tinker_local.service.operation_queue import OperationQueue
from tinker_local.service.sessions import SessionRegistry
from tinker_local.storage.checkpoint_store import CheckpointStore
from tinker_local.training.optimizer import Optimizer
from tinker_local.training.trainer import Trainer


@defect("checkpoint/with_optimizer")
def loading_forgets_the_optimizer(monkeypatch):
    """A load with the optimizer succeeds and leaves a cold Adam."""
    original = Trainer.load_state

    def load(self, tensors, *, optimizer):
        adapter = {n: t for n, t in tensors.items() if not n.startswith("optimizer.")}
        original(self, adapter, optimizer=False)

    monkeypatch.setattr(Trainer, "load_state", load)


@defect("checkpoint/optimizer_is_part_of_it")
def loading_always_brings_the_optimizer(monkeypatch):
    """A load without the optimizer restores it all the same, as in SkyRL 0.4."""
    original = LoadedModels.load_run
    monkeypatch.setattr(
        LoadedModels,
        "load_run",
        lambda self, run, path, *, optimizer: original(self, run, path, optimizer=True),
    )


@defect("checkpoint/snapshot_stays")
def samplers_follow_the_training(monkeypatch):
    """A sampler of saved weights samples from the present ones."""
    monkeypatch.setattr(Trainer, "adapter", lambda self: self._adapter)


@defect("checkpoint/inflight")
def inflight_samplers_stay(monkeypatch):
    """A sampler of kind `inflight` keeps the weights of its start."""
    original = LoadedModels.snapshot
    monkeypatch.setattr(
        LoadedModels,
        "snapshot",
        lambda self, run, sampler, *, inflight: original(self, run, sampler, inflight=False),
    )


@defect("checkpoint/name_twice")
def names_are_overwritten(monkeypatch):
    """A second checkpoint of one name replaces the first without being asked to."""
    original = CheckpointStore.write
    monkeypatch.setattr(
        CheckpointStore,
        "write",
        lambda self, *args, overwrite=False: original(self, *args, overwrite=True),
    )


@defect("checkpoint/in_a_pipeline")
def checkpoints_are_late(monkeypatch):
    """A checkpoint is written after the next step, with the weights of that moment."""
    original = LoadedModels.save_run

    def save_run(self, run_id, path, meta, *, overwrite=False):
        trainer = self.run(run_id).trainer
        size = original(self, run_id, path, meta, overwrite=overwrite)
        step = trainer._optimizer.step

        def rewrite(params):
            metrics = step(params)
            original(self, run_id, path, meta, overwrite=True)
            return metrics

        trainer._optimizer.step = rewrite
        return size

    monkeypatch.setattr(LoadedModels, "save_run", save_run)


@defect("client/side_by_side")
def models_share_a_gradient(monkeypatch):
    """Models that train at once add to each other's gradient."""
    original, last = Optimizer.accumulate, []

    def accumulate(self, gradient):
        original(self, gradient)
        for other in last[-1:]:
            if other is not self and len(other.gradient) != len(gradient):
                other.gradient.add_(gradient.abs().mean())
                other._has_gradient = True
        last[:] = [self]

    monkeypatch.setattr(Optimizer, "accumulate", accumulate)


@defect("client/sent_twice")
def repeated_submissions_run_again(monkeypatch):
    """A submission that is repeated after a lost reply is executed a second time."""
    open_future, enqueue = FutureTable.open, OperationQueue.enqueue

    def open_again(self, kind, key, start, channel=None):
        self.by_key.pop(key, None)
        return open_future(self, kind, key, start, channel)

    def enqueue_again(self, number, promise, work):
        if number < self.next_number:
            promise.run(work)
        else:
            enqueue(self, number, promise, work)

    monkeypatch.setattr(FutureTable, "open", open_again)
    monkeypatch.setattr(OperationQueue, "enqueue", enqueue_again)


@defect("checkpoint/path")
def names_are_changed(monkeypatch):
    """A checkpoint has another name than the client chose."""
    original = weights.make_path
    monkeypatch.setattr(
        weights, "make_path", lambda run, kind, name: original(run, kind, f"{name}-1")
    )


@defect("rest/weights_info")
def checkpoints_forget_their_rank(monkeypatch):
    """Every checkpoint is said to have rank 32."""
    original = CheckpointStore.metadata

    def metadata(self, path):
        found = original(self, path)
        return attrs.evolve(found, spec=attrs.evolve(found.spec, rank=32))

    monkeypatch.setattr(CheckpointStore, "metadata", metadata)


@defect("rest/publish", "ttl/change")
def changes_are_forgotten(monkeypatch):
    """Publishing a checkpoint or changing its lifetime answers yes and does nothing."""
    monkeypatch.setattr(CheckpointStore, "change", lambda self, path, **changes: None)


@defect("rest/session")
def sessions_forget_their_models(monkeypatch):
    """A session lists no training runs."""

    def add_model(self, model):
        self.models[model.id] = model

    monkeypatch.setattr(SessionRegistry, "add_model", add_model)


@defect("rest/training_run")
def every_run_has_rank_32(monkeypatch):
    """Training runs are listed with the default rank."""
    original = training_runs._run_row
    monkeypatch.setattr(
        training_runs, "_run_row", lambda *arguments: {**original(*arguments), "lora_rank": 32}
    )


@defect("rest/checkpoints")
def metadata_is_dropped(monkeypatch):
    """Checkpoints are listed without their metadata."""
    original = training_runs.checkpoint_row
    monkeypatch.setattr(
        training_runs,
        "checkpoint_row",
        lambda *arguments: {**original(*arguments), "user_metadata": None},
    )


@defect("rest/sampler")
def samplers_name_another_model(monkeypatch):
    """A sampler of saved weights names another base model."""
    original = samplers.SamplerRecord
    monkeypatch.setattr(
        samplers, "SamplerRecord", lambda **fields: original(**{**fields, "base_model": "other"})
    )
