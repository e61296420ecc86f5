"""Nulls in rows of tables.

Arrow gives a struct the union of the keys of all rows, and None for those that a row lacks: a call
`weather {"city": "Rome"}` comes back as `{"city": "Rome", "ticker": None}`. A null that a row did
have cannot be told from these.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

_JSON_KEYS = ("arguments", "parameters")
"""Keys of values in which a null says something."""


def without_nulls(value: Any, real_in: Collection[str] = ()) -> Any:
    """The value without keys whose value is None, except inside of the keys `real_in`."""
    if isinstance(value, dict):
        return {
            key: item if key in real_in else without_nulls(item, real_in)
            for key, item in value.items()
            if item is not None
        }
    return [without_nulls(item, real_in) for item in value] if isinstance(value, list) else value


def clean_row(value: Any, rows: object) -> Any:
    """The row without the nulls that a table adds; `rows` is what it came from.

    A dataset of the library `datasets` is an Arrow table. In other rows in memory, a null in the
    arguments of a call or in a JSON schema is kept. A value that is nested too deeply stays as it
    is: no layout can read it.
    """
    is_arrow = type(rows).__module__.partition(".")[0] == "datasets"
    try:
        return without_nulls(value, () if is_arrow else _JSON_KEYS)
    except RecursionError:
        return value
