"""A check: one property of a server, by name."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from tinker_conformance.client.server import Server


@frozen(kw_only=True)
class Check:
    """One property that every server must have or refuse to offer."""

    group: str
    name: str
    claim: str
    """The property, in one sentence."""
    run: Callable[[Server], None]
    """Raises when it is not true."""
    required: bool = False
    """A refusal is a failure: without this, a server serves nobody."""

    @property
    def id(self) -> str:
        return f"{self.group}/{self.name}"


def check(run: Callable[[Server], None]) -> Check:
    """Make a function a check: its module names the group, its docstring is the claim."""
    return Check(
        group=run.__module__.rpartition(".")[2],
        name=run.__name__,
        claim=" ".join((run.__doc__ or "").split()),
        run=run,
    )


def required(made: Check) -> Check:
    """The same check, where a refusal is a failure."""
    return Check(group=made.group, name=made.name, claim=made.claim, run=made.run, required=True)


def checks_of(module: ModuleType) -> tuple[Check, ...]:
    """The checks of a module in the order of their definition."""
    return tuple(value for value in vars(module).values() if isinstance(value, Check))
