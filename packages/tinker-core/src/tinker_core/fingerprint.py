"""Fingerprints of data, by which a resumed run notices that its data changed."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import asdict, fields, frozen


@frozen(kw_only=True)
class Fingerprint:
    """Size and hash of the content of a source. None is unknown and is not compared."""

    name: str
    num_bytes: int | None = None
    num_rows: int | None = None
    digest: str | None = None
    """SHA-256 of a file, or of a sample of the rows of another source."""


def fingerprint_changes(before: Sequence[Fingerprint], now: Sequence[Fingerprint]) -> list[str]:
    """The differences between the sources of a run and those of its continuation, one line each."""
    old, new = ({each.name: each for each in side} for side in (before, now))
    lines = [f"{name} is no longer used" for name in old if name not in new]
    lines += [f"{name} was not used before" for name in new if name not in old]
    for name in (name for name in old if name in new):
        was, is_ = asdict(old[name]), asdict(new[name])
        differing = [
            f"{key} was {_short(was[key])} and is {_short(is_[key])}"
            for key in (each.name for each in fields(Fingerprint))
            if None not in (was[key], is_[key]) and was[key] != is_[key]
        ]
        lines += [f"{name}: {', '.join(differing)}"] if differing else []
    return lines


def _short(value: object) -> str:
    return f"{value:.12}..." if isinstance(value, str) and len(value) > 15 else str(value)
