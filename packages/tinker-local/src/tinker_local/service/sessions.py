"""Who is connected: sessions, and the models and samplers they own.

A session lives while its client sends heartbeats. Lives on the event loop; not thread-safe.
"""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from attrs import define, field

from tinker_local.errors import GoneError, NotFoundError, RequestError
from tinker_local.request_types import LoraSpec


def now() -> datetime:
    return datetime.now(UTC)


MAX_SPANS = 20_000
"""Requests of one session whose times are remembered, the newest."""


class Span(NamedTuple):
    """When a request was taken and when it was finished, in seconds of the futures' clock."""

    kind: str
    owner: str
    began: float
    ended: float


@define(kw_only=True, eq=False)
class Session:
    """One client process, or one of its service clients."""

    id: str
    user_metadata: dict[str, Any]
    display_name: str | None
    last_seen: float
    created: datetime = field(factory=now)
    ended: str | None = None
    """Why it ended."""
    reason: str | None = None
    """What its client said about that: success, errored or interrupted."""
    model_ids: list[str] = field(factory=list)
    sampler_ids: list[str] = field(factory=list)
    spans: deque[Span] = field(factory=lambda: deque(maxlen=MAX_SPANS))


@define(kw_only=True, eq=False)
class Model:
    """A LoRA in training: a training run."""

    id: str
    session_id: str
    base_model: str
    spec: LoraSpec
    architecture: str
    folder: str
    user_metadata: dict[str, str] | None
    last_request: datetime = field(factory=now)


@define(kw_only=True, eq=False)
class SamplerRecord:
    """What a sampling session samples from."""

    id: str
    session_id: str
    base_model: str
    model_path: str | None
    joined: int = 0
    """How many copies in other processes have asked for a number."""


@define(eq=False)
class Registry:
    """All sessions since the server's start, the models and samplers of those that live."""

    timeout_s: float
    """A session whose client is silent for so long is over."""
    clock: Callable[[], float] = time.monotonic
    sessions: dict[str, Session] = field(factory=dict)
    models: dict[str, Model] = field(factory=dict)
    samplers: dict[str, SamplerRecord] = field(factory=dict)

    def open_session(self, user_metadata: dict[str, Any], display_name: str | None) -> Session:
        """A session whose id was never used before, in this or an earlier life of the server."""
        session = Session(
            id=f"session-{uuid.uuid4().hex[:16]}",
            user_metadata=user_metadata,
            display_name=display_name,
            last_seen=self.clock(),
        )
        self.sessions[session.id] = session
        return session

    def session(self, session_id: str) -> Session:
        """A session, living or not; `NotFoundError` when this server never opened it."""
        if session_id not in self.sessions:
            raise NotFoundError(f"there is no session {session_id!r}")
        return self.sessions[session_id]

    def live_session(self, session_id: str) -> Session:
        """A session that has not ended, which this counts as a sign of life of."""
        session = self.session(session_id)
        if session.ended is not None:
            raise GoneError(f"session {session_id} {session.ended}")
        session.last_seen = self.clock()
        return session

    def model(self, model_id: str) -> Model:
        if model_id not in self.models:
            raise NotFoundError(f"there is no model {model_id!r}{self._why_not(model_id)}")
        model = self.models[model_id]
        self.live_session(model.session_id)
        model.last_request = now()
        return model

    def sampler(self, sampler_id: str) -> SamplerRecord:
        if sampler_id not in self.samplers:
            raise NotFoundError(f"there is no sampler {sampler_id!r}{self._why_not(sampler_id)}")
        sampler = self.samplers[sampler_id]
        self.live_session(sampler.session_id)
        return sampler

    def _why_not(self, name: str) -> str:
        session = self.sessions.get(name.split(":")[0])
        return f": its session {session.ended}" if session and session.ended else ""

    def check_new(self, model_id: str) -> None:
        """Raise when a model has this id: to make another would destroy it."""
        if model_id in self.models:
            raise RequestError(f"model {model_id} exists already")

    def add_model(self, model: Model) -> None:
        self.live_session(model.session_id).model_ids.append(model.id)
        self.models[model.id] = model

    def add_sampler(self, sampler: SamplerRecord) -> None:
        """A sampler that is there already (the client repeats itself) stays as it is."""
        session = self.live_session(sampler.session_id)
        if sampler.id not in self.samplers:
            session.sampler_ids.append(sampler.id)
            self.samplers[sampler.id] = sampler

    def end(self, session_id: str, why: str) -> Session | None:
        """The session that thereby ended, its models and samplers forgotten; None if it had."""
        session = self.session(session_id)
        if session.ended is not None:
            return None
        session.ended = why
        for model_id in session.model_ids:
            del self.models[model_id]
        for sampler_id in session.sampler_ids:
            del self.samplers[sampler_id]
        return session

    def silent(self) -> list[str]:
        """The living sessions from whose clients nothing came for too long."""
        deadline = self.clock() - self.timeout_s
        return [
            session.id
            for session in self.sessions.values()
            if session.ended is None and session.last_seen < deadline
        ]


def string_values(metadata: dict[str, Any]) -> dict[str, str] | None:
    """User metadata as a listing may show it: the SDK reads nothing but strings there."""
    return {key: str(value) for key, value in metadata.items()} or None


def child_id(session_id: str, kind: str, number: int) -> str:
    """The id of a model (`train`) or sampler (`sample`); the SDK builds the same for models."""
    if "/" in session_id:
        raise RequestError(f"not a session id: {session_id!r}")
    return f"{session_id}:{kind}:{number}"
