"""The result of a check, as it is printed and written."""

from __future__ import annotations

from typing import Any, Literal

import attrs
from attrs import frozen

Status = Literal["passed", "failed", "not supported", "blocked"]
STATUSES: tuple[Status, ...] = ("passed", "failed", "not supported", "blocked")


@frozen(kw_only=True)
class Result:
    """The outcome of one check."""

    check: str
    """`group/name`."""
    claim: str
    status: Status
    seconds: float
    what: str = ""
    """The quantity that is wrong, or the reason why nothing could be decided."""
    expected: str = ""
    came: str = ""
    snippet: str = ""
    """The smallest program that shows it."""
    timed_out: bool = False
    """Some call had no answer in time."""
    notes: dict[str, str] = attrs.field(factory=dict)
    """Observations about the server that are not judged."""

    @property
    def group(self) -> str:
        return self.check.partition("/")[0]

    def to_json(self) -> dict[str, Any]:
        return attrs.asdict(self)

    def __str__(self) -> str:
        parts = [f"{self.check}: {self.claim}", f"  {self.what}"]
        parts += [f"    expected  {self.expected}"] if self.expected else []
        parts += [f"    came      {self.came}"] if self.came else []
        if self.snippet:
            parts += ["  this shows it:", *(f"    {line}" for line in self.snippet.splitlines())]
        return "\n".join(parts)
