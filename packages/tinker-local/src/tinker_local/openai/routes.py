"""Routes: OpenAI's chat completions, text completions and models.

A model is the name of a base model or the `tinker://` path of a checkpoint.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tinker_local import catalog
from tinker_local.api import http
from tinker_local.api.http import Call, json_response
from tinker_local.errors import CatalogError, NotFoundError, RequestError, UnauthorizedError
from tinker_local.openai.chat_tokenizer import encode_chat
from tinker_local.openai.completion import (
    CHAT,
    TEXT,
    Job,
    server_sent_event,
    stream_reply,
    whole_reply,
)
from tinker_local.openai.request import decode_chat, decode_completion
from tinker_local.openai.sampling import Sampling, find_model, while_connected
from tinker_local.storage.checkpoint_path import SCHEME, parse_path

PREFIX = "/v1"


async def chat_completions(call: Call) -> dict[str, Any] | Response:
    """Continue a chat."""
    chat = decode_chat(call.raw)
    model = await find_model(call, chat.options.model)
    prompt = await asyncio.to_thread(
        encode_chat, model.tokenizer, chat.messages, chat.tools, chat.template_options
    )
    job = Job(options=chat.options, model=model, prompts=[prompt], texts=[""], format=CHAT)
    return await _reply(call, job)


async def completions(call: Call) -> dict[str, Any] | Response:
    """Continue texts."""
    body = decode_completion(call.raw)
    model = await find_model(call, body.options.model)
    prompts, texts = [], []
    for prompt in body.prompts:
        if isinstance(prompt, str):
            prompts.append(await asyncio.to_thread(model.tokenizer.encode, prompt))
            texts.append(prompt)
        else:
            prompts.append(prompt)
            texts.append(model.tokenizer.decode(prompt) if body.options.echo else "")
    job = Job(options=body.options, model=model, prompts=prompts, texts=texts, format=TEXT)
    return await _reply(call, job)


async def _reply(call: Call, job: Job) -> dict[str, Any] | Response:
    sampling = Sampling(call.service, job.model, job.requests())
    envelope = {
        "id": f"{job.format.id_prefix}-{uuid.uuid4().hex}",
        "created": int(time.time()),
        "model": job.options.model,
    }
    if not job.options.stream:
        results = await while_connected(call.request, asyncio.ensure_future(sampling.run()))
        return whole_reply(job, sampling, results, envelope)
    events = stream_reply(job, sampling, envelope)
    first = await while_connected(call.request, asyncio.ensure_future(anext(events)))
    return StreamingResponse(_server_sent(first, events), media_type="text/event-stream")


async def _server_sent(
    first: dict[str, Any], events: AsyncIterator[dict[str, Any]]
) -> AsyncIterator[str]:
    """The events of a stream. An error after the first event becomes an event."""
    yield server_sent_event(first)
    try:
        async for event in events:
            yield server_sent_event(event)
    except RequestError as error:
        yield server_sent_event(_error(error))
    yield "data: [DONE]\n\n"


def _error(error: RequestError) -> dict[str, Any]:
    """An error in OpenAI's JSON."""
    kind, code = "invalid_request_error", None
    if error.category == "server":
        kind = "server_error"
    elif isinstance(error, CatalogError | NotFoundError):
        code = "model_not_found"
    elif isinstance(error, UnauthorizedError):
        code = "invalid_api_key"
    return {"error": {"message": str(error), "type": kind, "param": error.field, "code": code}}


def _error_response(error: RequestError) -> Response:
    status = http.error_response(error).status_code
    return json_response(_error(error), 404 if isinstance(error, CatalogError) else status)


def _model_row(name: str, created: float) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": int(created), "owned_by": "tinker-local"}


async def list_models(call: Call) -> dict[str, Any]:
    """The base models on this machine and all checkpoints. Other models can be named, too."""
    available = await asyncio.to_thread(catalog.available)
    checkpoints = await asyncio.to_thread(call.service.checkpoints.listing)
    rows = [_model_row(model.name, model.folder.stat().st_mtime) for model in available]
    rows += [_model_row(str(path), metadata.created.timestamp()) for path, metadata in checkpoints]
    return {"object": "list", "data": rows}


async def get_model(call: Call) -> dict[str, Any]:
    """One model."""
    name = call.path_parameter("name")
    if name.startswith(SCHEME):
        metadata = call.service.checkpoints.metadata(parse_path(name))
        return _model_row(name, metadata.created.timestamp())
    folder = await asyncio.to_thread(catalog.tokenizer_folder, name)
    if folder is None:
        raise NotFoundError(f"unknown model {name!r}: it is not on this machine")
    return _model_row(name, folder.stat().st_mtime)


route = partial(http.route, prefix=PREFIX, on_error=_error_response)
ROUTES: list[Route] = [
    route("/chat/completions", chat_completions, "POST"),
    route("/completions", completions, "POST"),
    route("/models", list_models, "GET"),
    route("/models/{name:path}", get_model, "GET"),
]
