"""Sessions, and the models and samplers that end with them."""

from __future__ import annotations

import pytest
from attrs import define

from tinker_local.errors import GoneError, NotFoundError, RequestError
from tinker_local.request_types import LoraSpec
from tinker_local.service.sessions import (
    ModelRecord,
    SamplerRecord,
    SessionRegistry,
    child_id,
    string_values,
)


@define
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def registry(clock):
    return SessionRegistry(timeout_s=60.0, clock=clock)


@pytest.fixture
def session(registry):
    """One session with one model and one sampler."""
    opened = registry.open_session({"who": "me"}, "a name")
    registry.add_model(
        ModelRecord(
            id=child_id(opened.id, "train", 0),
            session_id=opened.id,
            base_model="tiny",
            spec=LoraSpec(),
            architecture="llama",
            folder="tiny",
            user_metadata=None,
        )
    )
    registry.add_sampler(
        SamplerRecord(
            id=child_id(opened.id, "sample", 0),
            session_id=opened.id,
            base_model="tiny",
            model_path=None,
        )
    )
    return opened


def test_two_sessions_never_share_an_id(registry):
    ids = {registry.open_session({}, None).id for _ in range(100)}
    assert len(ids) == 100
    assert not any("/" in session_id or ":" in session_id for session_id in ids)


def test_a_model_is_named_as_the_sdk_names_it():
    assert child_id("session-1", "train", 3) == "session-1:train:3"


def test_a_session_without_heartbeats_times_out(registry, session, clock):
    clock.now = 60.0
    assert registry.timed_out() == []
    clock.now = 61.0
    assert registry.timed_out() == [session.id]


def test_a_heartbeat_or_any_use_keeps_a_session_alive(registry, session, clock):
    clock.now = 50.0
    registry.model(session.model_ids[0])
    clock.now = 100.0
    assert registry.timed_out() == []
    registry.live_session(session.id)
    clock.now = 150.0
    assert registry.timed_out() == []


def test_an_ended_session_removes_its_models_and_samplers(registry, session):
    registry.end(session.id, "ended: no heartbeat for 60 s")
    with pytest.raises(GoneError, match="no heartbeat"):
        registry.live_session(session.id)
    with pytest.raises(NotFoundError, match="its session ended: no heartbeat"):
        registry.model(session.model_ids[0])
    with pytest.raises(NotFoundError, match="its session ended"):
        registry.sampler(session.sampler_ids[0])


def test_a_session_ends_once(registry, session):
    assert registry.end(session.id, "first") is session
    assert registry.end(session.id, "second") is None
    assert session.ended == "first"


def test_a_model_is_never_replaced_and_a_repeated_sampler_is_the_same(registry, session):
    with pytest.raises(RequestError, match="exists already"):
        registry.check_new(session.model_ids[0])
    sampler = registry.sampler(session.sampler_ids[0])
    registry.add_sampler(sampler)
    assert len(session.sampler_ids) == 1
    registry.end(session.id, "over")
    assert not registry.samplers


def test_an_unknown_session_model_or_sampler_is_not_found(registry):
    for find in (registry.session, registry.live_session, registry.model, registry.sampler):
        with pytest.raises(NotFoundError, match="nothing-here"):
            find("nothing-here")


def test_metadata_is_shown_as_strings():
    assert string_values({"step": 3, "tag": "x"}) == {"step": "3", "tag": "x"}
    assert string_values({}) is None
