"""Routes: training runs and their checkpoints."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from starlette.routing import Route

from tinker_local.api.http import Call, route
from tinker_local.api.pagination import page
from tinker_local.api.routes.checkpoints import checkpoint_row
from tinker_local.errors import NotFoundError
from tinker_local.service.service import Service
from tinker_local.service.sessions import ModelRecord
from tinker_local.storage.checkpoint_path import CheckpointPath
from tinker_local.storage.checkpoint_store import CheckpointMetadata

Checkpoints = list[tuple[CheckpointPath, CheckpointMetadata]]
"""The newest first."""


def _run_row(
    service: Service, run_id: str, model: ModelRecord | None, checkpoints: Checkpoints
) -> dict[str, Any]:
    """A run of a living session, or one that has left checkpoints."""
    owner = model or checkpoints[0][1]
    last: dict[str, dict[str, Any]] = {}
    for path, metadata in checkpoints:
        if path.kind not in last:
            last[path.kind] = checkpoint_row(service, path, metadata)
    last_request = model.last_request if model else checkpoints[0][1].created
    return {
        "training_run_id": run_id,
        "base_model": owner.base_model,
        "model_owner": "local",
        "is_lora": True,
        "lora_rank": owner.spec.rank,
        "corrupted": False,
        "last_request_time": last_request.isoformat(),
        "last_checkpoint": last.get("weights"),
        "last_sampler_checkpoint": last.get("sampler_weights"),
        "user_metadata": model.user_metadata if model else checkpoints[0][1].run_metadata,
    }


async def list_runs(call: Call) -> dict[str, Any]:
    """A page of all runs, the last used first."""
    service = call.service
    checkpoints: defaultdict[str, Checkpoints] = defaultdict(list)
    for path, metadata in service.checkpoints.listing():
        checkpoints[path.run].append((path, metadata))
    models = service.registry.models
    runs = [
        _run_row(service, run_id, models.get(run_id), checkpoints[run_id])
        for run_id in {*checkpoints, *models}
    ]
    runs.sort(key=lambda run: str(run["last_request_time"]), reverse=True)
    rows, cursor = page(call, runs, 20)
    return {"training_runs": rows, "cursor": cursor}


def _find(call: Call) -> tuple[str, ModelRecord | None, Checkpoints]:
    """The run in the path, its model if it lives, and its checkpoints."""
    run_id = call.path_parameter("run_id")
    model = call.service.registry.models.get(run_id)
    checkpoints = call.service.checkpoints.listing(run_id)
    if model is None and not checkpoints:
        raise NotFoundError(f"unknown training run {run_id!r}")
    return run_id, model, checkpoints


async def get_run(call: Call) -> dict[str, Any]:
    """One run."""
    return _run_row(call.service, *_find(call))


async def list_run_checkpoints(call: Call) -> dict[str, Any]:
    """The checkpoints of a run, the newest first."""
    _, _, checkpoints = _find(call)
    return {"checkpoints": [checkpoint_row(call.service, *row) for row in checkpoints]}


ROUTES: list[Route] = [
    route("/training_runs", list_runs, "GET"),
    route("/training_runs/{run_id}", get_run, "GET"),
    route("/training_runs/{run_id}/checkpoints", list_run_checkpoints, "GET"),
]
