"""Routes: OpenAI's chat completions, text completions and models, for its clients as they are.

A model is a base model's name or the `tinker://` path of a checkpoint.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from attrs import frozen
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from tinker_local import catalog
from tinker_local.api import http
from tinker_local.api.http import Call, json_response
from tinker_local.errors import NotFoundError, RequestError, UnauthorizedError
from tinker_local.openai.chat_tokenizer import encode_chat
from tinker_local.openai.request import Options, decode_chat, decode_completion
from tinker_local.openai.response import (
    Choice,
    Piece,
    chat_logprobs,
    completion_logprobs,
    drawn_tokens,
    prompt_tokens,
    usage,
    whole,
)
from tinker_local.openai.sampling import Sampling, Voice, open_voice, while_connected
from tinker_local.request_types import SampleRequest, SampleResult
from tinker_local.sampling.detokenizer import TextStream
from tinker_local.storage.checkpoint_path import SCHEME, parse_path

PREFIX = "/v1"
SSE = "text/event-stream"


@frozen(kw_only=True, eq=False)
class Job:
    """One request, ready to be sampled."""

    options: Options
    voice: Voice
    prompts: list[list[int]]
    texts: list[str]
    """The prompts as they are echoed."""
    form: Form

    def requests(self) -> list[SampleRequest]:
        options = self.options
        scored = options.echo and options.likeliest is not None
        return [
            SampleRequest(
                prompt=np.array(prompt, np.int64),
                num_samples=options.n,
                max_tokens=options.max_tokens,
                temperature=options.temperature,
                top_k=options.top_k,
                top_p=options.top_p,
                seed=options.seed,
                stop_strings=options.stop,
                topk_sample_logprobs=options.likeliest or 0,
                prompt_logprobs=scored,
                topk_prompt_logprobs=(options.likeliest or 0) if scored else 0,
            )
            for prompt in self.prompts
        ]

    def text_stream(self) -> TextStream:
        return TextStream(self.voice.codec.decode, self.options.stop)


@frozen(kw_only=True)
class Form:
    """How one of the two kinds of completions is spelled."""

    prefix: str
    kind: str
    chunk_kind: str
    choice: Callable[[Job, Piece], dict[str, Any]]
    chunk: Callable[[Job, Piece], dict[str, Any]]
    opening: dict[str, Any] | None
    """The delta with which a streamed choice begins."""


def _chat_choice(job: Job, piece: Piece, *, part: str = "message") -> dict[str, Any]:
    logprobs = job.options.likeliest is not None
    content: dict[str, Any] = {"role": "assistant", "content": piece.text, "refusal": None}
    if part == "delta":
        content = {"content": piece.text} if piece.text else {}
    return {
        "index": piece.index,
        part: content,
        "finish_reason": piece.finish_reason,
        "logprobs": chat_logprobs(job.voice.codec, piece.tokens) if logprobs else None,
    }


def _completion_choice(job: Job, piece: Piece) -> dict[str, Any]:
    logprobs = job.options.likeliest is not None
    codec = job.voice.codec
    return {
        "index": piece.index,
        "text": piece.text,
        "finish_reason": piece.finish_reason,
        "logprobs": completion_logprobs(codec, piece.tokens, piece.offset) if logprobs else None,
    }


CHAT = Form(
    prefix="chatcmpl",
    kind="chat.completion",
    chunk_kind="chat.completion.chunk",
    choice=_chat_choice,
    chunk=partial(_chat_choice, part="delta"),
    opening={"role": "assistant", "content": ""},
)
TEXT = Form(
    prefix="cmpl",
    kind="text_completion",
    chunk_kind="text_completion",
    choice=_completion_choice,
    chunk=_completion_choice,
    opening=None,
)


async def chat_completions(call: Call) -> dict[str, Any] | Response:
    chat = decode_chat(call.body)
    voice = await open_voice(call, chat.options.model)
    prompt = await asyncio.to_thread(
        encode_chat, voice.codec, chat.messages, chat.tools, chat.template_options
    )
    job = Job(options=chat.options, voice=voice, prompts=[prompt], texts=[""], form=CHAT)
    return await _answer(call, job)


async def completions(call: Call) -> dict[str, Any] | Response:
    wanted = decode_completion(call.body)
    voice = await open_voice(call, wanted.options.model)
    prompts, texts = [], []
    for prompt in wanted.prompts:
        if isinstance(prompt, str):
            prompts.append(await asyncio.to_thread(voice.codec.encode, prompt))
            texts.append(prompt)
        else:
            prompts.append(prompt)
            texts.append(voice.codec.decode(prompt) if wanted.options.echo else "")
    job = Job(options=wanted.options, voice=voice, prompts=prompts, texts=texts, form=TEXT)
    return await _answer(call, job)


async def _answer(call: Call, job: Job) -> dict[str, Any] | Response:
    sampling = Sampling(call.service, job.voice, job.requests())
    envelope = {
        "id": f"{job.form.prefix}-{uuid.uuid4().hex}",
        "created": int(time.time()),
        "model": job.options.model,
    }
    if not job.options.stream:
        work = asyncio.ensure_future(sampling.finish())
        results = await while_connected(call.request, work)
        return {**envelope, "object": job.form.kind, **_complete(job, sampling, results)}
    events = _events(job, sampling, {**envelope, "object": job.form.chunk_kind})
    first = await while_connected(call.request, asyncio.ensure_future(anext(events)))
    return StreamingResponse(_lines(first, events), media_type=SSE)


def _complete(job: Job, sampling: Sampling, results: Sequence[SampleResult]) -> dict[str, Any]:
    pieces = [
        whole(number * job.options.n + index, drawn, job.text_stream())
        for number, result in enumerate(results)
        for index, drawn in enumerate(drawn_tokens(result))
    ]
    drawn = sum(len(piece.tokens) for piece in pieces)
    if job.options.echo:
        pieces = [_echo(job, sampling, results, piece) for piece in pieces]
    return {
        "choices": [job.form.choice(job, piece) for piece in pieces],
        "usage": _usage(job, results, drawn),
    }


def _echo(job: Job, sampling: Sampling, results: Sequence[SampleResult], piece: Piece) -> Piece:
    """The prompt, and its logprobs if any are wanted, before what was sampled."""
    number = piece.index // job.options.n
    asked = sampling.requests[number]
    before = prompt_tokens(asked.prompt, results[number]) if asked.prompt_logprobs else []
    return Piece(
        index=piece.index,
        offset=0,
        text=job.texts[number] + piece.text,
        tokens=[*before, *piece.tokens],
        finish_reason=piece.finish_reason,
    )


def _usage(job: Job, results: Sequence[SampleResult], drawn: int) -> dict[str, Any]:
    cached = sum(result.cached_tokens for result in results)
    return usage(sum(map(len, job.prompts)), drawn, cached)


async def _events(
    job: Job, sampling: Sampling, envelope: dict[str, Any]
) -> AsyncIterator[dict[str, Any]]:
    """The chunks of a stream; the first comes with the first token."""
    n, drawn_count = job.options.n, 0
    if job.options.include_usage:
        envelope = {**envelope, "usage": None}
    choices = [Choice(index, job.text_stream()) for index in range(len(job.prompts) * n)]
    opened = job.form.opening is None
    async for number, drawn in sampling.stream():
        if not opened:
            opened = True
            for choice in choices:
                delta = {"delta": job.form.opening, "finish_reason": None, "logprobs": None}
                yield {**envelope, "choices": [{"index": choice.index, **delta}]}
        drawn_count += 1
        piece = choices[number * n + drawn.sample].take(drawn)
        if piece is not None:
            yield {**envelope, "choices": [job.form.chunk(job, piece)]}
    if job.options.include_usage:
        counts = _usage(job, sampling.results, drawn_count)
        yield {**envelope, "choices": [], "usage": counts}


async def _lines(
    first: dict[str, Any], events: AsyncIterator[dict[str, Any]]
) -> AsyncIterator[str]:
    """Server-sent events; what fails after the first is told as one."""
    yield f"data: {json.dumps(first)}\n\n"
    try:
        async for event in events:
            yield f"data: {json.dumps(event)}\n\n"
    except RequestError as error:
        yield f"data: {json.dumps(_shape(error))}\n\n"
    yield "data: [DONE]\n\n"


def _shape(error: RequestError) -> dict[str, Any]:
    kind, code = "invalid_request_error", None
    if error.category == "server":
        kind = "server_error"
    elif isinstance(error, catalog.CatalogError | NotFoundError):
        code = "model_not_found"
    elif isinstance(error, UnauthorizedError):
        code = "invalid_api_key"
    return {"error": {"message": str(error), "type": kind, "param": error.field, "code": code}}


def _refuse(error: RequestError) -> Response:
    status = 404 if isinstance(error, catalog.CatalogError) else http.refusal(error).status_code
    return json_response(_shape(error), status)


def _row(name: str, created: float) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": int(created), "owned_by": "tinker-local"}


async def models(call: Call) -> dict[str, Any]:
    """The base models on this machine and all checkpoints; others can be named too."""
    here = await asyncio.to_thread(catalog.available)
    saved = await asyncio.to_thread(call.service.store.listing)
    rows = [_row(model.name, model.folder.stat().st_mtime) for model in here]
    rows += [_row(str(path), meta.created.timestamp()) for path, meta in saved]
    return {"object": "list", "data": rows}


async def model(call: Call) -> dict[str, Any]:
    name = call.place("name")
    if name.startswith(SCHEME):
        return _row(name, call.service.store.meta(parse_path(name)).created.timestamp())
    folder = await asyncio.to_thread(catalog.tokenizer_folder, name)
    if folder is None:
        raise NotFoundError(f"there is no model {name!r} on this machine")
    return _row(name, folder.stat().st_mtime)


route = partial(http.route, prefix=PREFIX, refuse=_refuse)
ROUTES: list[Route] = [
    route("/chat/completions", chat_completions, "POST"),
    route("/completions", completions, "POST"),
    route("/models", models, "GET"),
    route("/models/{name:path}", model, "GET"),
]
