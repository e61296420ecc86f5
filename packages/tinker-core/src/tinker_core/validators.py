"""Validators of config fields: numbers that must be finite."""

from __future__ import annotations

import math
from typing import Any


def positive(_: Any, attribute: Any, value: float) -> None:
    """Raise ValueError unless the value is a finite number above 0."""
    if not 0 < value < math.inf:
        raise ValueError(f"{attribute.name} must be a finite number above 0, not {value!r}")


def non_negative(_: Any, attribute: Any, value: float) -> None:
    """Raise ValueError unless the value is 0 or a finite number above it."""
    if not 0 <= value < math.inf:
        raise ValueError(f"{attribute.name} must be a finite number of at least 0, not {value!r}")
