"""The paths of checkpoints: `tinker://<run>/<kind>/<name>`."""

from __future__ import annotations

import re

from attrs import frozen

from tinker_local.errors import RequestError

SCHEME = "tinker://"
KINDS = {"weights": "training", "sampler_weights": "sampler", "external_weights": "external"}
"""The kinds of checkpoints in paths, and their types in listings."""

_RUN = re.compile(r"[A-Za-z0-9_-]{1,64}:train:[0-9]{1,18}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._=+@:-]{0,127}")


@frozen
class CheckpointPath:
    """The path of a checkpoint. Its parts are safe as folder names."""

    run: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{SCHEME}{self.run}/{self.kind}/{self.name}"


def make_path(run: str, kind: str, name: str) -> CheckpointPath:
    """A path from its parts. RequestError when one is invalid, so that no path leaves the store."""
    if not _RUN.fullmatch(run):
        raise RequestError(f"invalid training run {run!r}: expected <session>:train:<number>")
    if kind not in KINDS:
        raise RequestError(f"invalid checkpoint kind {kind!r}: expected one of {', '.join(KINDS)}")
    if not _NAME.fullmatch(name):
        raise RequestError(
            f"invalid checkpoint name {name!r}: expected up to 128 letters, digits and ._=+@:- "
            "that begin with a letter, a digit or _"
        )
    return CheckpointPath(run, kind, name)


def parse_path(text: str) -> CheckpointPath:
    """The path that the text spells."""
    parts = text.removeprefix(SCHEME).split("/")
    if not text.startswith(SCHEME) or len(parts) != 3:
        raise RequestError(
            f"invalid checkpoint path {text!r}: expected tinker://<run>/<kind>/<name>"
        )
    return make_path(*parts)
