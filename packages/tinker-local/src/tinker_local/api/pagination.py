"""Pages of listings: the `limit` and `offset` of a query."""

from __future__ import annotations

from typing import TypeVar

from tinker_local.api.http import Call
from tinker_local.errors import RequestError

T = TypeVar("T")


def page(call: Call, rows: list[T], default_limit: int) -> tuple[list[T], dict[str, int]]:
    """The rows that the query asks for, and the cursor that describes them."""
    limit = _query_number(call, "limit", default_limit)
    offset = _query_number(call, "offset", 0)
    cursor = {"limit": limit, "offset": offset, "total_count": len(rows)}
    return rows[offset : offset + limit], cursor


def _query_number(call: Call, name: str, default: int) -> int:
    value = call.request.query_params.get(name)
    if value is None:
        return default
    if not (value.isascii() and value.isdecimal() and len(value) < 10):
        raise RequestError(f"{name}: expected a number below 10**9, got {value[:40]!r}", field=name)
    return int(value)
