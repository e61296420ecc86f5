"""Names of checkpoints: `tinker://<run>/<kind>/<name>`."""

from __future__ import annotations

import re

from attrs import frozen

from tinker_local.errors import RequestError

KINDS = {"weights": "training", "sampler_weights": "sampler", "external_weights": "external"}
"""The kind, as a path spells it, and the type that a listing gives it."""

SCHEME = "tinker://"
_RUN = re.compile(r"[A-Za-z0-9_-]{1,64}:train:[0-9]{1,18}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._=+@:-]{0,127}")


@frozen
class TinkerPath:
    """A checkpoint's name; its parts are safe as folder names."""

    run: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{SCHEME}{self.run}/{self.kind}/{self.name}"


def make_path(run: str, kind: str, name: str) -> TinkerPath:
    """The path of a new or named checkpoint; `RequestError` when a part could leave the store."""
    if not _RUN.fullmatch(run):
        raise RequestError(f"not the id of a training run: {run!r}")
    if kind not in KINDS:
        raise RequestError(f"not a kind of checkpoint: {kind!r}, but one of {', '.join(KINDS)}")
    if not _NAME.fullmatch(name):
        raise RequestError(
            f"not a checkpoint name: {name!r}; up to 128 letters, digits and ._=+@:- are allowed, "
            "a letter, a digit or _ first"
        )
    return TinkerPath(run, kind, name)


def parse_path(text: str) -> TinkerPath:
    """The parts of `tinker://<run>/<kind>/<name>`."""
    parts = text.removeprefix(SCHEME).split("/")
    if not text.startswith(SCHEME) or len(parts) != 3:
        raise RequestError(f"not a checkpoint path: {text!r}; tinker://<run>/<kind>/<name> is")
    return make_path(*parts)
