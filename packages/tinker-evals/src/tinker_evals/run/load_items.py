"""A task's items: read from its source, each id once, and a subset that is the same every time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from tinker_core import ConfigError, DataError
from tinker_evals.dataset.item import Item
from tinker_evals.dataset.sources import Shipped, Source
from tinker_evals.tasks.task import AnyTask, Task


def load_items(task: AnyTask, source: Source | None = None) -> list[Item]:
    """The task's items, from another source than its own if one is given.

    Raises DataError for a row without what the task needs, and for an id that occurs twice.
    """
    source = source or task.source
    items: dict[str, Item] = {}
    for number, row in enumerate(source.rows()):
        try:
            item = task.read(row, number)
        except KeyError as error:
            raise DataError(
                f"{task.name} needs a field {error}; there is {sorted(row)}",
                file=str(source),
                row=number + 1,
            ) from error
        except DataError as error:
            raise error.at(file=str(source), row=number + 1) from error
        if item is None:
            continue
        if item.id in items:
            raise DataError(f"the id {item.id!r} occurs twice", file=str(source), row=number + 1)
        items[item.id] = item
    if not items:
        raise DataError("no items", file=str(source))
    return list(items.values())


def choose(items: Sequence[Item], limit: int | None) -> list[Item]:
    """So many items, chosen by a hash of their ids: alike for every model, spread over the data.

    A larger limit has the smaller one's items among its own, so that a run may go on with more.
    """
    if limit is None or limit >= len(items):
        return list(items)
    chosen = {item.id for item in sorted(items, key=lambda item: _hash(item.id))[:limit]}
    return [item for item in items if item.id in chosen]


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def load_shots(task: Task, count: int) -> list[Item]:
    """Shipped items of the task that have a solution to show in a few-shot prompt.

    They were written for this package, so no problem of a benchmark is among them. There is one
    more than `count`, because an item is not shown to itself. Raises ConfigError where there are
    fewer.
    """
    if count == 0:
        return []
    shown = [item for item in load_items(task, Shipped(task.name)) if item.solution]
    if len(shown) <= count:
        raise ConfigError(f"{task.name} can show at most {len(shown) - 1} solutions, not {count}")
    return shown[: count + 1]
