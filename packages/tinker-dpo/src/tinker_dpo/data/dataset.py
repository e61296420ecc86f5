"""The preferences of a run, rendered when they are indexed.

Every row is rendered once before the run begins: a row that cannot be used ends the run at once, or
is skipped and counted, so every batch is full.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from hashlib import sha256
from itertools import count
from typing import Literal

import numpy as np
from attrs import field, frozen, validators
from numpy.typing import NDArray

from tinker_core import DataError
from tinker_data import PreferencePair, Rows
from tinker_dpo.data.preference import JudgedResponse, Preference, judge_both
from tinker_dpo.data.rendering import (
    RenderedJudged,
    RenderedPair,
    RenderedPreference,
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
    """The selection of rows."""

    max_length: int | None = field(default=None, validator=validators.optional(validators.ge(2)))
    """Longest prompt and response together, in tokens; absent: the context of the model.

    Nothing is truncated: half a response is not the one that was preferred.
    """
    bad_row: BadRow = field(default="error", validator=validators.in_(["error", "skip"]))
    """Policy for a row that cannot be used: the run does not begin, or the row is skipped."""

    def limit(self, renderer: Renderer) -> int | None:
        """The longest prompt and response, in tokens; None if nothing is known of a limit."""
        return renderer.context_length if self.max_length is None else self.max_length


@frozen(kw_only=True, eq=False)
class PreferenceDataset:
    """Rendered preferences by index."""

    usable: NDArray[np.int64]
    """Arguments of `render`, shape (n,)."""
    render: Callable[[int], RenderedPreference]
    skipped: tuple[DataError, ...] = ()
    """The errors of the rows that are skipped."""

    def __len__(self) -> int:
        return len(self.usable)

    def __getitem__(self, index: int) -> RenderedPreference:
        return self.render(int(self.usable[index]))


def open_dataset(
    rows: Rows[Preference],
    objective: Objective,
    renderer: Renderer,
    selection: Selection,
) -> PreferenceDataset:
    """Render every row once and keep those that can be used.

    Raises DataError with its place for a row that cannot be used, unless the policy is to skip it,
    and if no row can be used.
    """
    if isinstance(objective, JudgedObjective):
        return _judged_dataset(rows, renderer, selection)
    form: ResponseRenderer | ScoreRenderer
    if isinstance(objective, RewardObjective):
        form = ScoreRenderer(
            renderer=renderer,
            question=objective.question,
            label=objective.label,
            max_length=selection.limit(renderer),
        )
    else:
        form = ResponseRenderer(renderer=renderer, max_length=selection.limit(renderer))

    def render(row: int) -> RenderedPair:
        pair = rows[row]
        if not isinstance(pair, PreferencePair):
            raise pair.place.error(DataError(f"{type(objective).__name__} learns from pairs"))
        return render_pair(pair, form)

    def check(row: int) -> list[int]:
        render(row)
        return [row]

    usable, skipped = _check_each(len(rows), check, selection.bad_row)
    return PreferenceDataset(usable=usable, render=render, skipped=skipped)


def _judged_dataset(
    rows: Rows[Preference], renderer: Renderer, selection: Selection
) -> PreferenceDataset:
    """Row i has the items 2 i and, if it is a pair, 2 i + 1.

    Each response is the mismatched one of exactly one other, so that both have the same
    distribution; only a prompt with more than half of all responses makes that impossible.
    """
    form = ResponseRenderer(renderer=renderer, max_length=selection.limit(renderer))

    prompts: dict[int, bytes] = {}

    def check(row: int) -> list[int]:
        judged = _judged(rows[row])
        for each in judged:
            render_judged(each, each, form)
        items = [2 * row + side for side in range(len(judged))]
        prompts.update(dict.fromkeys(items, sha256(repr(judged[0].prompt).encode()).digest()))
        return items

    usable, skipped = _check_each(len(rows), check, selection.bad_row)
    others = mismatches({item: prompts[item] for item in map(int, usable)})

    def response(item: int) -> JudgedResponse:
        return _judged(rows[item // 2])[item % 2]

    def render(item: int) -> RenderedJudged:
        return render_judged(response(item), response(others[item]), form)

    return PreferenceDataset(usable=usable, render=render, skipped=skipped)


def mismatches(prompts: Mapping[int, Hashable]) -> dict[int, int]:
    """For each item another item with a different prompt, given the prompt of each.

    With the items sorted by prompt, the shift by the size of the largest prompt never meets the
    same prompt, unless that has more than half of the items. Then some items serve more than once.
    Raises DataError if all items have one prompt.
    """
    groups: dict[Hashable, list[int]] = {}
    for item, prompt in prompts.items():
        groups.setdefault(prompt, []).append(item)
    if len(groups) < 2:
        raise DataError("KTO needs responses to more than one prompt")
    in_order = [item for items in groups.values() for item in items]
    shift = max(map(len, groups.values()))
    found = {}
    for place, item in enumerate(in_order):
        places = (in_order[(place + shift + more) % len(in_order)] for more in count())
        found[item] = next(other for other in places if prompts[other] != prompts[item])
    return found


def _judged(row: Preference) -> tuple[JudgedResponse, ...]:
    return judge_both(row) if isinstance(row, PreferencePair) else (row,)


def _check_each(
    num_rows: int, check: Callable[[int], list[int]], bad_row: BadRow
) -> tuple[NDArray[np.int64], tuple[DataError, ...]]:
    """The items that `check` finds in the rows, and the errors of the other rows."""
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
