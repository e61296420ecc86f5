"""`info`: one checkpoint, in detail."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from tinker_core.engine.errors import engine_errors
from tinker_weights.checkpoint.path import SCHEME
from tinker_weights.checkpoint.run_directory import read_run
from tinker_weights.inventory.engine import (
    EngineCheckpoint,
    all_checkpoints,
    find_checkpoint,
    open_engine,
)
from tinker_weights.inventory.needs import needs, read_runs


@frozen(kw_only=True)
class CheckpointInfo:
    """A checkpoint, its model, and the reasons to keep it."""

    checkpoint: EngineCheckpoint
    base_model: str
    rank: int | None
    trained: tuple[str, ...]
    """The kinds of layers with an adapter: attn, mlp, unembed."""
    needed_for: tuple[str, ...]


def info(source: str, *, step: int | None = None, runs: str | Path = ".") -> CheckpointInfo:
    """Describe a checkpoint.

    Args:
        source: A tinker:// path, or a run's folder.
        step: Of a run, the checkpoint of this step; the newest unless given.
        runs: A folder with runs, which may need the checkpoint.
    """
    path = source
    if not source.startswith(SCHEME):
        path = read_run(Path(source).expanduser()).checkpoint(step).paths[0]
    with open_engine() as rest:
        checkpoint = find_checkpoint(rest, path)
        with engine_errors(path):
            weights = rest.get_weights_info_by_tinker_path(path).result()
        everything = all_checkpoints(rest)
    kinds = {"attn": weights.train_attn, "mlp": weights.train_mlp, "unembed": weights.train_unembed}
    reasons = needs(read_runs(Path(runs).expanduser(), everything), everything)
    return CheckpointInfo(
        checkpoint=checkpoint,
        base_model=weights.base_model,
        rank=weights.lora_rank,
        trained=tuple(kind for kind, is_trained in kinds.items() if is_trained),
        needed_for=tuple(reasons.get(path, ())),
    )
