"""From a pair, whose better side is known, to a comparison, which a model judges."""

from __future__ import annotations

from tinker_core import Comparison
from tinker_data import PreferencePair


def comparison_of(pair: PreferencePair) -> Comparison:
    """The pair with the chosen response first."""
    return Comparison(prompt=pair.prompt, first=pair.chosen, second=pair.rejected)
