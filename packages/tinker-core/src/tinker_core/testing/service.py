"""The test double of `tinker.ServiceClient`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from attrs import define
from tinker import types

from tinker_core.testing.clients import BigramSamplingClient, BigramTrainingClient
from tinker_core.testing.futures import ReadyFuture, refused
from tinker_core.testing.model import BigramModel


@define
class BigramService:
    """Implements the part of `tinker.ServiceClient` that the loops use; base models are blank."""

    folder: Path
    """The folder of the checkpoints; two services on one folder see the same checkpoints."""
    vocab_size: int = 128

    def file(self, path: str) -> Path:
        """The file of a `tinker://` path."""
        return self.folder / (path.removeprefix("tinker://").replace(":", "_") + ".npz")

    def create_lora_training_client(  # noqa: PLR0913  # the SDK's own signature
        self,
        base_model: str,
        rank: int = 32,
        seed: int | None = None,
        train_mlp: bool = True,
        train_attn: bool = True,
        train_unembed: bool = True,
        user_metadata: dict[str, str] | None = None,
    ) -> ReadyFuture[BigramTrainingClient]:
        """A training client of a blank model."""
        return ReadyFuture(lambda: self._client(BigramModel.blank(self.vocab_size)))

    def create_training_client_from_state(
        self, path: str, base_model: str | None = None, user_metadata: dict[str, str] | None = None
    ) -> ReadyFuture[BigramTrainingClient]:
        """A training client with the weights of a checkpoint and a new optimizer."""
        return ReadyFuture(lambda: self._client(self._load(path, optimizer=False)))

    def create_training_client_from_state_with_optimizer(
        self, path: str, base_model: str | None = None, user_metadata: dict[str, str] | None = None
    ) -> ReadyFuture[BigramTrainingClient]:
        """A training client with the weights and the optimizer state of a checkpoint."""
        return ReadyFuture(lambda: self._client(self._load(path, optimizer=True)))

    def create_sampling_client(
        self, model_path: str | None = None, base_model: str | None = None
    ) -> ReadyFuture[BigramSamplingClient]:
        """A sampling client of a checkpoint, or of the blank model."""

        def call() -> BigramSamplingClient:
            blank = BigramModel.blank(self.vocab_size)
            model = blank if model_path is None else self._load(model_path, optimizer=False)
            return BigramSamplingClient(model.logprobs())

        return ReadyFuture(call)

    def create_rest_client(self) -> BigramRestClient:
        """A client of what is stored with the checkpoints."""
        return BigramRestClient(self)

    def note(self, path: str, user_metadata: dict[str, str] | None) -> None:
        """Store the user's metadata of a checkpoint."""
        self.file(path).with_suffix(".json").write_text(json.dumps(user_metadata))

    def _load(self, path: str, *, optimizer: bool) -> BigramModel:
        if not self.file(path).exists():
            raise refused(f"no checkpoint {path}")
        return BigramModel.load(self.file(path), optimizer=optimizer)

    def _client(self, model: BigramModel) -> BigramTrainingClient:
        counter = self.folder / "runs.json"
        runs = json.loads(counter.read_text()) + 1 if counter.exists() else 0
        self.folder.mkdir(parents=True, exist_ok=True)
        counter.write_text(json.dumps(runs))
        return BigramTrainingClient(self, model, f"bigram-{runs}:train:0")


@define
class BigramRestClient:
    """Implements the part of `tinker.RestClient` that the loops use."""

    service: BigramService

    def list_checkpoints(self, training_run_id: str) -> ReadyFuture[types.CheckpointsListResponse]:
        """The checkpoints of a training run with their metadata."""

        def call() -> types.CheckpointsListResponse:
            folder = self.service.file(f"tinker://{training_run_id}/weights/x").parent.parent
            files = sorted(folder.glob("*/*.npz"))
            if not files:
                raise refused(f"no training run {training_run_id}")
            return types.CheckpointsListResponse(
                checkpoints=[_listed(file, training_run_id) for file in files]
            )

        return ReadyFuture(call)


def _listed(file: Path, run: str) -> types.Checkpoint:
    kind, name = file.parent.name, file.stem
    return types.Checkpoint(
        checkpoint_id=f"{kind}/{name}",
        checkpoint_type="training" if kind == "weights" else "sampler",
        time=datetime.fromtimestamp(file.stat().st_mtime, UTC),
        tinker_path=f"tinker://{run}/{kind}/{name}",
        user_metadata=json.loads(file.with_suffix(".json").read_text()),
    )
