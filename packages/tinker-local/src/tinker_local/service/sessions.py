"""Sessions, and the models and samplers that they own.

A session lives while its client sends heartbeats. Runs on the event loop; not thread-safe.
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

MAX_SPANS = 20_000
"""The number of newest requests of a session whose times are kept."""


def utc_now() -> datetime:
    """The current time."""
    return datetime.now(UTC)


class Span(NamedTuple):
    """The times of one request, in seconds of the clock of the futures."""

    kind: str
    owner: str
    began: float
    ended: float


@define(kw_only=True, eq=False)
class Session:
    """One `ServiceClient`."""

    id: str
    user_metadata: dict[str, Any]
    display_name: str | None
    last_seen: float
    created: datetime = field(factory=utc_now)
    ended: str | None = None
    """The reason of its end; None while it lives."""
    reason: str | None = None
    """The outcome that the client reported: success, errored or interrupted."""
    model_ids: list[str] = field(factory=list)
    sampler_ids: list[str] = field(factory=list)
    spans: deque[Span] = field(factory=lambda: deque(maxlen=MAX_SPANS))


@define(kw_only=True, eq=False)
class ModelRecord:
    """A model of a client: a LoRA adapter in training, which is also a training run."""

    id: str
    session_id: str
    base_model: str
    spec: LoraSpec
    architecture: str
    folder: str
    user_metadata: dict[str, str] | None
    last_request: datetime = field(factory=utc_now)


@define(kw_only=True, eq=False)
class SamplerRecord:
    """A sampler of a client."""

    id: str
    session_id: str
    base_model: str
    model_path: str | None
    joined: int = 0
    """The number of clones of the client that have joined."""


@define(eq=False)
class SessionRegistry:
    """All sessions since the start of the server, and the models and samplers of the living."""

    timeout_s: float
    """A session without a heartbeat for so long has ended."""
    clock: Callable[[], float] = time.monotonic
    sessions: dict[str, Session] = field(factory=dict)
    models: dict[str, ModelRecord] = field(factory=dict)
    samplers: dict[str, SamplerRecord] = field(factory=dict)

    def open_session(self, user_metadata: dict[str, Any], display_name: str | None) -> Session:
        """A new session. Its id is unique across restarts of the server."""
        session = Session(
            id=f"session-{uuid.uuid4().hex[:16]}",
            user_metadata=user_metadata,
            display_name=display_name,
            last_seen=self.clock(),
        )
        self.sessions[session.id] = session
        return session

    def session(self, session_id: str) -> Session:
        """A session, living or ended. `NotFoundError` when this server never opened it."""
        if session_id not in self.sessions:
            raise NotFoundError(f"unknown session {session_id!r}")
        return self.sessions[session_id]

    def live_session(self, session_id: str) -> Session:
        """A living session. This call counts as a heartbeat."""
        session = self.session(session_id)
        if session.ended is not None:
            raise GoneError(f"session {session_id} {session.ended}")
        session.last_seen = self.clock()
        return session

    def model(self, model_id: str) -> ModelRecord:
        """A model of a living session."""
        if model_id not in self.models:
            raise NotFoundError(f"unknown model {model_id!r}{self._ended(model_id)}")
        model = self.models[model_id]
        self.live_session(model.session_id)
        model.last_request = utc_now()
        return model

    def sampler(self, sampler_id: str) -> SamplerRecord:
        """A sampler of a living session."""
        if sampler_id not in self.samplers:
            raise NotFoundError(f"unknown sampler {sampler_id!r}{self._ended(sampler_id)}")
        sampler = self.samplers[sampler_id]
        self.live_session(sampler.session_id)
        return sampler

    def _ended(self, name: str) -> str:
        session = self.sessions.get(name.split(":")[0])
        return f": its session {session.ended}" if session and session.ended else ""

    def check_new(self, model_id: str) -> None:
        """RequestError when a model has this id, because a second one would replace it."""
        if model_id in self.models:
            raise RequestError(f"model {model_id} exists already")

    def add_model(self, model: ModelRecord) -> None:
        """Add a model to its session."""
        self.live_session(model.session_id).model_ids.append(model.id)
        self.models[model.id] = model

    def add_sampler(self, sampler: SamplerRecord) -> None:
        """Add a sampler to its session. One that exists stays: clients repeat requests."""
        session = self.live_session(sampler.session_id)
        if sampler.id not in self.samplers:
            session.sampler_ids.append(sampler.id)
            self.samplers[sampler.id] = sampler

    def end(self, session_id: str, why: str) -> Session | None:
        """End a session and remove its models and samplers. None when it had ended before."""
        session = self.session(session_id)
        if session.ended is not None:
            return None
        session.ended = why
        for model_id in session.model_ids:
            del self.models[model_id]
        for sampler_id in session.sampler_ids:
            del self.samplers[sampler_id]
        return session

    def timed_out(self) -> list[str]:
        """The living sessions without a heartbeat for too long."""
        deadline = self.clock() - self.timeout_s
        return [
            session.id
            for session in self.sessions.values()
            if session.ended is None and session.last_seen < deadline
        ]


def string_values(metadata: dict[str, Any]) -> dict[str, str] | None:
    """User metadata with string values, which is all that the SDK reads in listings."""
    return {key: str(value) for key, value in metadata.items()} or None


def child_id(session_id: str, kind: str, number: int) -> str:
    """The id of a model (`train`) or sampler (`sample`). The SDK makes the same for models."""
    if "/" in session_id:
        raise RequestError(f"invalid session id {session_id!r}: it contains a slash")
    return f"{session_id}:{kind}:{number}"
