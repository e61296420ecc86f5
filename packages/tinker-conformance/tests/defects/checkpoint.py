"""Wrong checkpoints, and clients that get in each other's way."""

from __future__ import annotations

from defects.defect import defect
from tinker_local.service.futures import FutureTable
from tinker_local.service.loaded_models import LoadedModels
from tinker_local.service.operation_queue import OperationQueue
from tinker_local.storage.checkpoint_store import CheckpointStore
from tinker_local.training.optimizer import Optimizer
from tinker_local.training.trainer import Trainer


@defect("checkpoint/with_optimizer")
def loading_forgets_the_optimizer(monkeypatch):
    """A load with the optimizer succeeds and leaves a cold Adam, as the hosted service once did."""
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
