"""Routes: listing, publishing, expiring, downloading and deleting checkpoints."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from tinker_local.api.http import Call, route
from tinker_local.api.json_bodies import Body, Positive
from tinker_local.api.pagination import page
from tinker_local.api.routes.downloads import offer
from tinker_local.errors import RequestError
from tinker_local.service.service import Service
from tinker_local.storage.checkpoint_path import KINDS, CheckpointPath, make_path
from tinker_local.storage.checkpoint_store import ADAPTER, CONFIG, CheckpointMetadata, expiry


class _Ttl(Body, frozen=True, kw_only=True):
    ttl_seconds: Positive | None = None


def checkpoint_row(
    service: Service, path: CheckpointPath, metadata: CheckpointMetadata
) -> dict[str, Any]:
    """A checkpoint in a listing."""
    return {
        "checkpoint_id": f"{path.kind}/{path.name}",
        "checkpoint_type": KINDS[path.kind],
        "time": metadata.created.isoformat(),
        "tinker_path": str(path),
        "size_bytes": service.checkpoints.size(path),
        "public": metadata.public,
        "user_metadata": metadata.user_metadata,
        "expires_at": metadata.expires and metadata.expires.isoformat(),
    }


async def list_checkpoints(call: Call) -> dict[str, Any]:
    """A page of all checkpoints, the newest first."""
    rows, cursor = page(call, call.service.checkpoints.listing(), 100)
    return {"checkpoints": [checkpoint_row(call.service, *row) for row in rows], "cursor": cursor}


def _path(call: Call) -> CheckpointPath:
    return make_path(*(call.path_parameter(name) for name in ("run_id", "kind", "name")))


async def delete_checkpoint(call: Call) -> Response:
    """Delete a checkpoint."""
    call.service.checkpoints.delete(_path(call))
    return Response(status_code=204)


async def publish(call: Call) -> Response:
    """Set or clear a flag. The checkpoint is visible to the users of this engine alone."""
    call.service.checkpoints.change(_path(call), public=call.request.method == "POST")
    return Response(status_code=204)


async def set_ttl(call: Call) -> Response:
    """Set or clear the time to live."""
    call.service.checkpoints.change(_path(call), expires=expiry(call.body(_Ttl).ttl_seconds))
    return Response(status_code=204)


async def external_urls(call: Call) -> dict[str, Any]:
    """The URLs of the files of external weights."""
    service, path = call.service, _path(call)
    if path.kind != "external_weights":
        raise RequestError(f"{path}: only external_weights can be downloaded")
    service.checkpoints.metadata(path)
    folder = service.checkpoints.folder(path)
    urls, until = offer(call, {name: folder / name for name in (CONFIG, ADAPTER)})
    return {"urls": urls, "expires": datetime.fromtimestamp(until, UTC).isoformat()}


_CHECKPOINT = "/training_runs/{run_id}/checkpoints/{kind}/{name}"
ROUTES: list[Route] = [
    route("/checkpoints", list_checkpoints, "GET"),
    route(_CHECKPOINT, delete_checkpoint, "DELETE"),
    route(f"{_CHECKPOINT}/publish", publish, "POST", "DELETE"),
    route(f"{_CHECKPOINT}/ttl", set_ttl, "PUT"),
    route(f"{_CHECKPOINT}/external_weights_urls", external_urls, "GET"),
]
