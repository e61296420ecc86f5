"""Lifetimes of checkpoints."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tinker_conformance.check import check
from tinker_conformance.client.server import Server
from tinker_conformance.client.shown import Shown
from tinker_conformance.client.trainer import Trainer
from tinker_conformance.expect import expect, fail, refused

HOUR = 3600
SLACK_S = 120


def _listed(server: Server, trainer: Trainer) -> tuple[Shown, Any]:
    """The only checkpoint of a run."""
    shown = server.rest("list_checkpoints", trainer.id)
    (checkpoint,) = shown.value.checkpoints
    return shown, checkpoint


def _expect_life(server: Server, trainer: Trainer, seconds: int | None) -> None:
    shown, checkpoint = _listed(server, trainer)
    came = checkpoint.expires_at
    if seconds is None:
        expect(came is None, "expires_at", shown, "None", came=str(came))
        return
    left = None if came is None else (came - datetime.now(UTC)).total_seconds()
    right = left is not None and abs(left - seconds) < SLACK_S
    text = "None" if left is None else f"in {left:.0f} s"
    expect(right, "expires_at", shown, f"in about {seconds} s", came=text)


@check
def none(server: Server) -> None:
    """Without ttl_seconds, a checkpoint does not expire."""
    trainer = server.trainer()
    trainer.save_state("kept")
    _expect_life(server, trainer, None)


@check
def an_hour(server: Server) -> None:
    """ttl_seconds counts from the save; an hour is always long enough."""
    for method in ("save_state", "save_weights_for_sampler"):
        trainer = server.trainer()
        trainer.save(method, name="hour", ttl_seconds=HOUR).result()
        _expect_life(server, trainer, HOUR)


@check
def change(server: Server) -> None:
    """The lifetime of a checkpoint can be set and removed later."""
    trainer = server.trainer()
    path = trainer.save_state("changed")
    for seconds in (2 * HOUR, None):
        server.rest("set_checkpoint_ttl_from_tinker_path", path, seconds)
        _expect_life(server, trainer, seconds)


@check
def smallest(server: Server) -> None:
    """A lifetime below an hour is refused, or counts as given; it is not rounded in silence."""
    trainer = server.trainer()
    seconds = 60
    name = f"ttl_seconds={seconds}"
    if refused(trainer.save, "save_state", name="brief", ttl_seconds=seconds) is not None:
        server.notes[name] = "refused"
        return
    server.notes[name] = "accepted"
    shown, checkpoint = _listed(server, trainer)
    left = (checkpoint.expires_at - datetime.now(UTC)).total_seconds()
    right = 0 < left <= seconds
    expect(right, "expires_at", shown, f"in at most {seconds} s", came=f"in {left:.0f} s")


@check
def zero(server: Server) -> None:
    """ttl_seconds=0 is refused: no checkpoint is gone before it is saved."""
    trainer = server.trainer()
    if refused(trainer.save, "save_state", name="zero", ttl_seconds=0) is not None:
        return
    shown, checkpoint = _listed(server, trainer)
    came = str(checkpoint.expires_at)
    fail("ttl_seconds=0", shown, "an error", came=f"a checkpoint that expires {came}")
