"""Routes: training runs and checkpoints, for the REST client and the `tinker` command line."""

from __future__ import annotations

import uuid
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from tinker_local.api.http import Call, route
from tinker_local.api.json_bodies import integer, optional_integer, optional_text, text
from tinker_local.api.routes.downloads import offer
from tinker_local.errors import NotFoundError, RequestError
from tinker_local.service.service import Service
from tinker_local.service.sessions import Model, child_id
from tinker_local.storage.checkpoint_path import KINDS, TinkerPath, make_path, parse_path
from tinker_local.storage.checkpoint_store import ADAPTER, CONFIG, Meta, expiry

Rows = list[tuple[TinkerPath, Meta]]


def _checkpoint(service: Service, path: TinkerPath, meta: Meta) -> dict[str, Any]:
    return {
        "checkpoint_id": f"{path.kind}/{path.name}",
        "checkpoint_type": KINDS[path.kind],
        "time": meta.created.isoformat(),
        "tinker_path": str(path),
        "size_bytes": service.store.size(path),
        "public": meta.public,
        "user_metadata": meta.user_metadata,
        "expires_at": meta.expires and meta.expires.isoformat(),
    }


def _run(service: Service, run_id: str, model: Model | None, rows: Rows) -> dict[str, Any]:
    """A training run: of a living session, of one whose checkpoints are left, or of both."""
    known = model or rows[0][1]
    last: dict[str, dict[str, Any]] = {}
    for path, meta in rows:  # newest first
        if path.kind not in last:
            last[path.kind] = _checkpoint(service, path, meta)
    return {
        "training_run_id": run_id,
        "base_model": known.base_model,
        "model_owner": "local",
        "is_lora": True,
        "lora_rank": known.spec.rank,
        "corrupted": False,
        "last_request_time": (model.last_request if model else rows[0][1].created).isoformat(),
        "last_checkpoint": last.get("weights"),
        "last_sampler_checkpoint": last.get("sampler_weights"),
        "user_metadata": model.user_metadata if model else rows[0][1].run_metadata,
    }


def _page(call: Call, rows: list[Any], limit: int) -> tuple[list[Any], dict[str, int]]:
    """The part of a list that `limit` and `offset` in the query ask for, and where it lies."""
    query = {}
    for name in ("limit", "offset"):
        value = call.request.query_params.get(name)
        if value is not None and not (value.isascii() and value.isdecimal() and len(value) < 10):
            raise RequestError(f"{name}: expected a small number, got {value[:40]!r}")
        query[name] = None if value is None else int(value)
    limit, offset = integer(query, "limit", limit), integer(query, "offset", 0)
    cursor = {"limit": limit, "offset": offset, "total_count": len(rows)}
    return rows[offset : offset + limit], cursor


async def list_runs(call: Call) -> dict[str, Any]:
    service = call.service
    rows: defaultdict[str, Rows] = defaultdict(list)
    for path, meta in service.store.listing():
        rows[path.run].append((path, meta))
    models = service.registry.models
    runs = [_run(service, run_id, models.get(run_id), rows[run_id]) for run_id in {*rows, *models}]
    runs.sort(key=lambda run: str(run["last_request_time"]), reverse=True)
    page, cursor = _page(call, runs, 20)
    return {"training_runs": page, "cursor": cursor}


async def get_run(call: Call) -> dict[str, Any]:
    service, run_id = call.service, call.place("run_id")
    model, rows = service.registry.models.get(run_id), service.store.listing(run_id)
    if model is None and not rows:
        raise NotFoundError(f"there is no training run {run_id!r}")
    return _run(service, run_id, model, rows)


async def list_run_checkpoints(call: Call) -> dict[str, Any]:
    run = await get_run(call)
    rows = call.service.store.listing(run["training_run_id"])
    return {"checkpoints": [_checkpoint(call.service, *row) for row in rows]}


async def list_checkpoints(call: Call) -> dict[str, Any]:
    page, cursor = _page(call, call.service.store.listing(), 100)
    return {"checkpoints": [_checkpoint(call.service, *row) for row in page], "cursor": cursor}


def _named(call: Call) -> TinkerPath:
    return make_path(call.place("run_id"), call.place("kind"), call.place("name"))


async def delete_checkpoint(call: Call) -> Response:
    call.service.store.delete(_named(call))
    return Response(status_code=204)


async def publish(call: Call) -> Response:
    """A flag that is kept; nobody but the user of this engine can see anything here."""
    call.service.store.change(_named(call), public=call.request.method == "POST")
    return Response(status_code=204)


async def set_ttl(call: Call) -> Response:
    seconds = optional_integer(call.body, "ttl_seconds", minimum=1)
    call.service.store.change(_named(call), expires=expiry(seconds))
    return Response(status_code=204)


async def external_urls(call: Call) -> dict[str, Any]:
    """Addresses of the files of external weights; they work for an hour, without the key."""
    service, path = call.service, _named(call)
    if path.kind != "external_weights":
        raise RequestError(f"{path}: only external_weights can be downloaded")
    service.store.meta(path)
    folder = service.store.folder(path)
    urls, until = offer(call, {name: folder / name for name in (CONFIG, ADAPTER)})
    return {"urls": urls, "expires": datetime.fromtimestamp(until, UTC).isoformat()}


async def weights_info(call: Call) -> dict[str, Any]:
    meta = call.service.store.meta(parse_path(text(call.body, "tinker_path")))
    return {
        "base_model": meta.base_model,
        "is_lora": True,
        "lora_rank": meta.spec.rank,
        "train_unembed": meta.spec.train_unembed,
        "train_mlp": meta.spec.train_mlp,
        "train_attn": meta.spec.train_attn,
    }


async def copy_weights(call: Call) -> dict[str, Any]:
    """An independent copy under a run of its own, or under the one that the client names."""
    body = call.body
    source = parse_path(text(body, "source_path"))
    session_id = optional_text(body, "session_id")
    if session_id is None:
        run_id = child_id(f"copy-{uuid.uuid4().hex[:16]}", "train", 0)
    else:
        call.service.registry.live_session(session_id)
        run_id = child_id(session_id, "train", integer(body, "model_seq_id"))
    target = make_path(run_id, source.kind, source.name)
    expires = expiry(optional_integer(body, "ttl_seconds", minimum=1))
    call.service.store.copy(source, target, expires)
    return {"tinker_path": str(target)}


CHECKPOINT = "/training_runs/{run_id}/checkpoints/{kind}/{name}"
ROUTES: list[Route] = [
    route("/training_runs", list_runs, "GET"),
    route("/training_runs/{run_id}", get_run, "GET"),
    route("/training_runs/{run_id}/checkpoints", list_run_checkpoints, "GET"),
    route(CHECKPOINT, delete_checkpoint, "DELETE"),
    route(f"{CHECKPOINT}/publish", publish, "POST", "DELETE"),
    route(f"{CHECKPOINT}/ttl", set_ttl, "PUT"),
    route(f"{CHECKPOINT}/external_weights_urls", external_urls, "GET"),
    route("/checkpoints", list_checkpoints, "GET"),
    route("/weights_info", weights_info, "POST"),
    route("/copy_weights", copy_weights, "POST"),
]
