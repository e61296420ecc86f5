"""The calls of one check as Python statements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from attrs import define, field, frozen


@frozen(kw_only=True)
class Statement:
    """One call, and what it depends on."""

    text: str
    makes: str | None
    """The variable that it assigns."""
    needs: frozenset[str]
    """The variables that it reads."""
    changes: str | None
    """The variable whose object it changes, as an optimizer step changes a training client."""


@define(eq=False)
class Script:
    """Every call of one check, in order."""

    header: str
    _statements: list[Statement] = field(factory=list, init=False)
    _variables: Counter[str] = field(factory=Counter, init=False)

    def variable(self, stem: str) -> str:
        """A new variable name: `model`, `model_2`, ..."""
        self._variables[stem] += 1
        count = self._variables[stem]
        return stem if count == 1 else f"{stem}_{count}"

    def add(
        self,
        text: str,
        *,
        makes: str | None = None,
        needs: Iterable[str] = (),
        changes: str | None = None,
    ) -> None:
        """Record a call."""
        statement = Statement(text=text, makes=makes, needs=frozenset(needs), changes=changes)
        self._statements.append(statement)

    def last(self) -> frozenset[str]:
        """The variable of the newest call, for a failure that no value shows."""
        made = [statement.makes for statement in self._statements if statement.makes]
        return frozenset(made[-1:])

    def excerpt(self, needs: Iterable[str]) -> str:
        """The header and only those statements that the variables `needs` depend on."""
        wanted = set(needs)
        kept = []
        for statement in reversed(self._statements):
            if {statement.makes, statement.changes} & wanted:
                kept.append(statement.text)
                wanted |= statement.needs
        return "\n".join([self.header, *reversed(kept)])
