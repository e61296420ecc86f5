"""Opening a checkpoint to sample from it, by its path or by its run."""

from __future__ import annotations

from pathlib import Path

import tinker
from attrs import frozen

from tinker_core import CheckpointError, ConfigError
from tinker_core.engine.errors import engine_errors
from tinker_train.checkpoint.metadata import read_metadata, trained_renderer
from tinker_train.checkpoint.record import CheckpointRecord, read_checkpoints
from tinker_train.run.description import read_description
from tinker_train.run.directory import RunDirectory


@frozen(kw_only=True)
class TrainedModel:
    """A checkpoint that is open to be sampled from."""

    client: tinker.SamplingClient
    path: str
    """The `tinker://` path of its weights."""
    base_model: str
    renderer: str | None
    """Name of the renderer: the one asked for, else that of the training; None: unknown."""
    step: int | None
    """Optimizer steps in the weights; None: unknown."""
    is_end: bool
    """True if a run has no later checkpoint; True for a path."""
    description: str
    """One line: which checkpoint it is."""


async def open_trained_model(
    service: tinker.ServiceClient,
    source: str | Path,
    *,
    step: int | None = None,
    renderer: str | None = None,
) -> TrainedModel:
    """Open a `tinker://` path, or a run directory for its newest weights or for those of a step.

    The run may be complete, killed or still going. A `renderer` other than that of the training is
    used with a warning. Raises CheckpointError, RunDirectoryError or EngineError.
    """
    if str(source).startswith("tinker://"):
        if step is not None:
            raise ConfigError(f"step {step} of {source}: only a run directory has steps")
        path, metadata = str(source), await read_metadata(service, str(source))
        origin, is_end = "", True
    else:
        record = find_weights(Path(source), step)
        path, metadata = str(record.sampler_path), _metadata(Path(source), record)
        state = "complete" if record.final else "not the end of the run"
        origin, is_end = f" of {source} ({state})", record.final
    with engine_errors(f"weights {path}"):
        client: tinker.SamplingClient = await service.create_sampling_client(
            model_path=path, base_model=None
        )
    trained = metadata.get("step")
    which = f"step {trained}" if trained else "an unknown step"
    return TrainedModel(
        client=client,
        path=path,
        base_model=metadata.get("base_model") or client.get_base_model(),
        renderer=trained_renderer(metadata, path, renderer),
        step=int(trained) if trained else None,
        is_end=is_end,
        description=f"checkpoint of {which}{origin}: {path}",
    )


def find_weights(run: Path, step: int | None = None) -> CheckpointRecord:
    """The newest checkpoint of a run that has weights to sample from, or that of a step."""
    description = read_description(run)
    records = read_checkpoints(RunDirectory(run).checkpoints_file)
    usable = [record for record in records if record.sampler_path is not None]
    if not usable:
        saved = description["config"].get("checkpoints", {}).get("sampler_weights", True)
        reason = (
            "no checkpoint yet" if saved else "checkpoints.sampler_weights is off until its end"
        )
        raise CheckpointError(f"{run} has no weights to sample from: {reason}")
    found = [record for record in usable if step in (None, record.step)]
    if not found:
        steps = ", ".join(dict.fromkeys(str(record.step) for record in usable))
        raise CheckpointError(f"{run} has no weights of step {step}, only of {steps}")
    return found[-1]


def _metadata(run: Path, record: CheckpointRecord) -> dict[str, str]:
    """The facts of the checkpoint's training; the config fills in those that its record lacks."""
    config = read_description(run)["config"]
    known = {"base_model": config.get("model"), "renderer": config.get("renderer")}
    named = {key: value for key, value in known.items() if value not in (None, "auto")}
    return {**named, **record.metadata, "step": str(record.step)}
