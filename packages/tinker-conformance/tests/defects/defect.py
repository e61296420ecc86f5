"""One defect: what is wrong, and the check that must catch it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import frozen

Patch = Callable[[pytest.MonkeyPatch], None]


@frozen
class Defect:
    """One way to be wrong."""

    name: str
    story: str
    caught_by: tuple[str, ...]
    """The ids of checks that must fail; others may fail, too."""
    patch: Patch


def defect(*caught_by: str) -> Callable[[Patch], Defect]:
    """Make a patch a defect; its docstring says what is wrong then."""
    return lambda patch: Defect(patch.__name__, patch.__doc__ or "", caught_by, patch)
