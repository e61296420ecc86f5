"""`tinker://<run>/<kind>/<name>`, the name of a checkpoint at an engine."""

from __future__ import annotations

from typing import Literal, cast, get_args

from attrs import frozen

from tinker_core import ConfigError

SCHEME = "tinker://"
Kind = Literal["weights", "sampler_weights", "external_weights"]


@frozen
class CheckpointPath:
    """The parts of a path."""

    run: str
    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{SCHEME}{self.run}/{self.kind}/{self.name}"


def parse_path(text: str) -> CheckpointPath:
    """The parts of a `tinker://` path. Raises ConfigError."""
    parts = text.removeprefix(SCHEME).split("/")
    if not text.startswith(SCHEME) or len(parts) != 3 or not all(parts):
        raise ConfigError(f"invalid checkpoint path {text!r}: expected {SCHEME}<run>/<kind>/<name>")
    run, kind, name = parts
    if kind not in get_args(Kind):
        raise ConfigError(
            f"invalid checkpoint path {text!r}: {kind!r} is not one of {', '.join(get_args(Kind))}"
        )
    return CheckpointPath(run, cast("Kind", kind), name)
