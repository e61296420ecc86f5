"""Values that a server returned, each with the Python expression that shows it."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from tinker_conformance.client.script import Script


@frozen(eq=False)
class Shown:
    """A returned value and the expression for it in the check's script."""

    value: Any
    expression: str
    needs: frozenset[str]
    """The variables of the expression."""
    script: Script

    @property
    def array(self) -> NDArray[np.float64]:
        """The value as numbers; `None` becomes NaN."""
        return np.asarray(self.value, np.float64)

    def part(self, attribute: str) -> Shown:
        """An attribute of the value."""
        return self.of(getattr(self.value, attribute), f"$.{attribute}")

    def of(self, value: Any, expression: str) -> Shown:
        """A value that is made from this one; `$` stands for this one's expression."""
        made = expression.replace("$", self.expression)
        return Shown(value, made, self.needs, self.script)

    def snippet(self) -> str:
        """A program that prints the value."""
        return f"{self.script.excerpt(self.needs)}\nprint({self.expression})"


@frozen(eq=False)
class Reply:
    """The answer to one call."""

    value: Any
    """The value that the SDK returned."""
    variable: str
    """The variable that holds the call's future in the script."""
    script: Script

    def show(self, expression: str) -> Shown:
        """A part of the reply, named as in the script: `$` stands for the reply.

        The expression is evaluated here too, so that a failure shows exactly what was compared.
        """
        value = eval(expression.replace("$", "reply"), {"reply": self.value, "np": np})
        shown = expression.replace("$", f"{self.variable}.result()")
        return Shown(value, shown, frozenset({self.variable}), self.script)
