"""Cadences: when evaluations and checkpoints are due, by steps, tokens or seconds."""

from __future__ import annotations

import math
import re
from typing import Annotated

import tyro
from attrs import field, frozen, validators

from tinker_core import ConfigError
from tinker_core.validators import positive


@frozen(kw_only=True)
class Every:
    """Every n optimizer steps."""

    steps: int = field(validator=validators.gt(0))
    """Optimizer steps from one time to the next."""


@frozen(kw_only=True)
class EveryTokens:
    """Every n tokens that are trained on."""

    tokens: int = field(validator=validators.gt(0))
    """Tokens from one time to the next."""


@frozen(kw_only=True)
class EverySeconds:
    """Every n seconds of training. A repeated run is due at other steps."""

    seconds: float = field(validator=positive)
    """Seconds from one time to the next."""


@frozen(kw_only=True)
class Never:
    """Never due."""


def parse_cadence(text: str) -> Every | EveryTokens | EverySeconds | Never:
    """Parse a cadence: `20`, `20 steps`, `1e6 tokens`, `600 seconds` or `never`.

    Raises ConfigError for other text.
    """
    if text.strip() == "never":
        return Never()
    number_and_unit = r"\s*([0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)\s*(steps|tokens|seconds)?\s*"
    found = re.fullmatch(number_and_unit, text)
    if found is None:
        raise ConfigError(f"invalid cadence {text!r}: expected, for example, '20 steps', 'never'")
    number, unit = float(found[1]), found[2] or "steps"
    if not 0 < number < math.inf:
        raise ConfigError(f"invalid cadence {text!r}: expected a number above 0, or 'never'")
    if unit == "seconds":
        return EverySeconds(seconds=number)
    if not number.is_integer():
        raise ConfigError(f"invalid cadence {text!r}: {unit} are whole numbers")
    return EveryTokens(tokens=int(number)) if unit == "tokens" else Every(steps=int(number))


def write_cadence(cadence: Every | EveryTokens | EverySeconds | Never) -> str:
    """The text of a cadence, which `parse_cadence` parses."""
    match cadence:
        case Every(steps=steps):
            return f"{steps} steps"
        case EveryTokens(tokens=tokens):
            return f"{tokens} tokens"
        case EverySeconds(seconds=seconds):
            return f"{int(seconds) if float(seconds).is_integer() else seconds!r} seconds"
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
    """Progress of a run since its first step, resumed parts included."""

    step: int = 0
    """Optimizer steps done."""
    tokens: int = 0
    """Tokens trained on."""
    seconds: float = 0.0
    """Seconds of training."""


def is_due(cadence: Cadence, before: Progress, after: Progress) -> bool:
    """True if a multiple of the cadence lies after `before` and not after `after`."""
    match cadence:
        case Every(steps=steps):
            return before.step // steps < after.step // steps
        case EveryTokens(tokens=tokens):
            return before.tokens // tokens < after.tokens // tokens
        case EverySeconds(seconds=seconds):
            return before.seconds // seconds < after.seconds // seconds
        case Never():
            return False
