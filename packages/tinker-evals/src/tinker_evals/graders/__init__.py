"""Graders: each extracts an answer from a reply and scores it against the item's target."""

from tinker_evals.graders.text_graders import (
    boxed,
    choice,
    exact,
    hashes,
    number_alone,
    numeric,
    pattern,
    stated,
)

__all__ = ["boxed", "choice", "exact", "hashes", "number_alone", "numeric", "pattern", "stated"]
