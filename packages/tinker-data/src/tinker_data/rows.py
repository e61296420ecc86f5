"""Rows as typed values: what a training example says, and where it came from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from attrs import field, frozen

from tinker_core import DataError, Message, ToolSpec, as_conversation

T_co = TypeVar("T_co", covariant=True)


@frozen(kw_only=True)
class Place:
    """Where a row lies: a file or another source, and the number of its row, from 1."""

    file: str | None = None
    row: int | None = None

    def error(self, error: DataError) -> DataError:
        """The same error, which now knows the place."""
        return error.at(file=self.file, row=self.row)


NOWHERE = Place()


@frozen(kw_only=True)
class RawRow:
    """A row as its source has it, not understood yet."""

    content: Any
    """The row's value, or, as bytes, a line of JSON that is parsed when somebody asks for it."""
    place: Place = NOWHERE

    @property
    def value(self) -> Any:
        """The row's value; raises DataError with its place for a line that is not JSON."""
        if not isinstance(self.content, bytes):
            return self.content
        try:
            return json.loads(self.content)
        except UnicodeDecodeError as error:
            raise self.place.error(DataError(f"not UTF-8: {error}")) from error
        except json.JSONDecodeError as error:
            shown = self.content.decode("utf-8", "replace").strip()
            raise self.place.error(DataError(f"not JSON: {error}: {shown:.60}")) from error


@frozen(kw_only=True)
class Conversation:
    """A chat to learn from; messages may be given as dictionaries in the OpenAI format."""

    messages: tuple[Message, ...] = field(converter=as_conversation)
    tools: tuple[ToolSpec, ...] = ()
    """Tools that the model is told of."""
    place: Place = field(default=NOWHERE, eq=False)


class Rows(Protocol[T_co]):
    """Rows that can be had in any order; cheap to index, as a list or a file with an index is."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> T_co: ...


@frozen
class Subset:
    """Some rows of others, in an order of its own."""

    rows: Rows[Any]
    indices: Any
    """Whole numbers, shape (n,)."""

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return self.rows[int(self.indices[index])]


def as_mapping(row: RawRow) -> Mapping[str, Any]:
    """The row's value, which has to be an object with named fields."""
    value = row.value
    if not isinstance(value, Mapping):
        raise row.place.error(DataError(f"a row is a JSON object, not {value!r:.80}"))
    return value
