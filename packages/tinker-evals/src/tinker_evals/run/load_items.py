"""A task's items: read from its source, checked, and a subset that is the same every time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from tinker_core import ConfigError, DataError
from tinker_evals.dataset.item import Item
from tinker_evals.dataset.sources import RowSource, Shipped
from tinker_evals.tasks.task import AnyTask, Task


def load_items(task: AnyTask, source: RowSource | None = None) -> list[Item]:
    """The items of a task, from its own source or another one.

    Raises DataError for a row that lacks what the task needs, for an id that occurs twice, and for
    a source without items.
    """
    source = source or task.source
    items: dict[str, Item] = {}
    for number, row in enumerate(source.rows()):
        try:
            item = task.read(row, number)
            if item is not None and item.id in items:
                raise DataError(f"the id {item.id!r} occurs twice")
        except DataError as error:
            raise error.at(file=str(source), row=number + 1) from error
        except KeyError as error:
            problem = f"{task.name} needs a field {error}; the row has {sorted(row)}"
            raise DataError(problem, file=str(source), row=number + 1) from error
        except (AttributeError, IndexError, TypeError, ValueError) as error:
            problem = f"{task.name} cannot read the row: {error}"
            raise DataError(problem, file=str(source), row=number + 1) from error
        if item is not None:
            items[item.id] = item
    if not items:
        raise DataError("no items", file=str(source))
    return list(items.values())


def select_items(items: Sequence[Item], limit: int | None) -> list[Item]:
    """`limit` items, chosen by a hash of their ids: the same for every model, spread over the data.

    A larger limit includes the items of a smaller one, so that a run can continue with more.
    """
    if limit is None or limit >= len(items):
        return list(items)
    chosen = {item.id for item in sorted(items, key=lambda item: _hash(item.id))[:limit]}
    return [item for item in items if item.id in chosen]


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def load_shots(task: Task, count: int) -> list[Item]:
    """Shipped items with a solution, for a few-shot prompt.

    They were written for this package, so no problem of a benchmark is among them. There is one
    more than `count`, because an item is not shown to itself. Raises ConfigError where there are
    fewer.
    """
    if count == 0:
        return []
    shown = [item for item in load_items(task, Shipped(task.name)) if item.solution]
    if len(shown) <= count:
        raise ConfigError(f"{task.name} has at most {len(shown) - 1} shots, not {count}")
    return shown[: count + 1]
