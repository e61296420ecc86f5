"""Which preferences can be learned from, and each of them rendered when its turn comes.

Every row is rendered once before anything begins, so a bad one stops the run at its start, or is
left out of every batch and counted, and all batches are full.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from attrs import field, frozen, validators
from numpy.typing import NDArray

from tinker_core import DataError
from tinker_data import PreferencePair, Rows
from tinker_dpo.data.builders import Preference
from tinker_dpo.data.judged_response import JudgedResponse, judge_both
from tinker_dpo.data.rendering import (
    RenderedItem,
    RenderedJudged,
    RenderedPair,
    ResponseRenderer,
    ScoreRenderer,
    render_judged,
    render_pair,
)
from tinker_dpo.objectives.objective import JudgedObjective, Objective, RewardObjective
from tinker_render import Renderer

BadRow = Literal["error", "skip"]


@frozen(kw_only=True)
class Selection:
    """Which rows are used."""

    max_length: int | None = field(default=None, validator=validators.optional(validators.ge(2)))
    """Longest prompt and response together, in tokens; without it, the engine's own limit holds.

    Nothing is cut: half a response is not the one that was preferred.
    """
    bad_row: BadRow = field(default="error", validator=validators.in_(["error", "skip"]))
    """What becomes of a row that cannot be used: the run does not begin, or it is left out."""


@frozen(kw_only=True, eq=False)
class Items:
    """Rendered preferences, by number."""

    usable: NDArray[np.int64]
    """Numbers that `render` takes, shape (n,)."""
    render: Callable[[int], RenderedItem]
    skipped: tuple[DataError, ...] = ()
    """Why the other rows are left out."""

    def __len__(self) -> int:
        return len(self.usable)

    def __getitem__(self, index: int) -> RenderedItem:
        return self.render(int(self.usable[index]))


def open_items(
    rows: Rows[Preference],
    objective: Objective,
    renderer: Renderer,
    selection: Selection,
) -> Items:
    """Render every row once and keep those that can be used.

    Raises DataError with its place for the first that cannot be, if that is the policy, and where
    none can be.
    """
    if isinstance(objective, JudgedObjective):
        return _judged_items(rows, renderer, selection)
    form: ResponseRenderer | ScoreRenderer
    if isinstance(objective, RewardObjective):
        form = ScoreRenderer(
            renderer=renderer,
            question=objective.question,
            label=objective.label,
            max_length=selection.max_length,
        )
    else:
        form = ResponseRenderer(renderer=renderer, max_length=selection.max_length)

    def render(row: int) -> RenderedPair:
        pair = rows[row]
        if not isinstance(pair, PreferencePair):
            raise pair.place.error(DataError(f"{type(objective).__name__} learns from pairs"))
        return render_pair(pair, form)

    def check(row: int) -> list[int]:
        render(row)
        return [row]

    usable, skipped = _check_each(len(rows), check, selection.bad_row)
    return Items(usable=usable, render=render, skipped=skipped)


def _judged_items(rows: Rows[Preference], renderer: Renderer, selection: Selection) -> Items:
    """A pair makes two items; item 2 i and 2 i + 1 come from row i."""
    form = ResponseRenderer(renderer=renderer, max_length=selection.max_length)

    def check(row: int) -> list[int]:
        judged = _judged(rows[row])
        for each in judged:
            render_judged(each, each, form)
        return [2 * row + side for side in range(len(judged))]

    usable, skipped = _check_each(len(rows), check, selection.bad_row)
    place_of = {int(item): i for i, item in enumerate(usable)}

    def response(item: int) -> JudgedResponse:
        return _judged(rows[item // 2])[item % 2]

    def render(item: int) -> RenderedJudged:
        judged = response(item)
        for step in range(1, len(usable)):
            other = response(int(usable[(place_of[item] + step) % len(usable)]))
            if other.prompt != judged.prompt:
                return render_judged(judged, other, form)
        raise judged.place.error(DataError("KTO needs responses to more than one prompt"))

    return Items(usable=usable, render=render, skipped=skipped)


def _judged(row: Preference) -> tuple[JudgedResponse, ...]:
    return judge_both(row) if isinstance(row, PreferencePair) else (row,)


def _check_each(
    num_rows: int, check: Callable[[int], list[int]], bad_row: BadRow
) -> tuple[NDArray[np.int64], tuple[DataError, ...]]:
    """The items that `check` finds in the rows, and why there are none in some."""
    usable: list[int] = []
    skipped: list[DataError] = []
    for row in range(num_rows):
        try:
            usable += check(row)
        except DataError as error:
            if bad_row == "error":
                raise
            skipped.append(error)
    if not usable:
        raise DataError(f"no row of {num_rows} can be used; the first: {skipped[0]}")
    return np.array(usable, dtype=np.int64), tuple(skipped)
