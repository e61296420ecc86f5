"""When something recurring is due: every so many steps, tokens or seconds, or never."""

from __future__ import annotations

import re
from typing import Annotated

import tyro
from attrs import field, frozen, validators

from tinker_core import ConfigError


@frozen(kw_only=True)
class Every:
    """Every so many optimizer steps."""

    steps: int = field(validator=validators.gt(0))
    """Number of optimizer steps between two times."""


@frozen(kw_only=True)
class EveryTokens:
    """Every so many tokens sent to training."""

    tokens: int = field(validator=validators.gt(0))
    """Number of tokens between two times."""


@frozen(kw_only=True)
class EverySeconds:
    """Every so many seconds of training; not the same steps when a run is done again."""

    seconds: float = field(validator=validators.gt(0.0))
    """Seconds between two times."""


@frozen(kw_only=True)
class Never:
    """Not at all."""


def parse_cadence(text: str) -> Every | EveryTokens | EverySeconds | Never:
    """A cadence as people write it: `20`, `20 steps`, `1e6 tokens`, `600 seconds`, `never`."""
    if text.strip() == "never":
        return Never()
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?(?:e[0-9]+)?)\s*(steps|tokens|seconds)?\s*", text)
    if found is None:
        raise ConfigError(f"a cadence is like '20 steps', '600 seconds' or 'never', not {text!r}")
    number, unit = float(found[1]), found[2]
    if unit == "seconds":
        return EverySeconds(seconds=number)
    return EveryTokens(tokens=int(number)) if unit == "tokens" else Every(steps=int(number))


def write_cadence(cadence: Every | EveryTokens | EverySeconds | Never) -> str:
    """What `parse_cadence` reads."""
    match cadence:
        case Every(steps=steps):
            return f"{steps} steps"
        case EveryTokens(tokens=tokens):
            return f"{tokens} tokens"
        case EverySeconds(seconds=seconds):
            return f"{seconds:g} seconds"
        case Never():
            return "never"


Cadence = Annotated[
    Every | EveryTokens | EverySeconds | Never,
    tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="N[steps|tokens|seconds]|never",
        instance_from_str=lambda arguments: parse_cadence(arguments[0]),
        is_instance=lambda value: isinstance(value, Every | EveryTokens | EverySeconds | Never),
        str_from_instance=lambda cadence: [write_cadence(cadence)],
    ),
]


@frozen(kw_only=True)
class Progress:
    """How far a run has come, resumes included."""

    step: int = 0
    """Optimizer steps done."""
    tokens: int = 0
    """Tokens sent to training."""
    seconds: float = 0.0
    """Seconds spent training."""


def is_due(cadence: Cadence, before: Progress, after: Progress) -> bool:
    """Whether a multiple of the cadence lies in the way from `before` (left out) to `after`."""
    match cadence:
        case Every(steps=steps):
            return before.step // steps < after.step // steps
        case EveryTokens(tokens=tokens):
            return before.tokens // tokens < after.tokens // tokens
        case EverySeconds(seconds=seconds):
            return before.seconds // seconds < after.seconds // seconds
        case Never():
            return False
