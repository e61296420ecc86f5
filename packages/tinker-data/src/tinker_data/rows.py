"""Rows as their source has them, and conversations with the place that they came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from attrs import field, frozen

from tinker_core import DataError, Message, ToolSpec, as_conversation
from tinker_core.jsonl import parse_line

T_co = TypeVar("T_co", covariant=True)


@frozen(kw_only=True)
class Place:
    """The file or other source of a row, and the number of the row, from 1."""

    file: str | None = None
    row: int | None = None

    def error(self, error: DataError) -> DataError:
        """The error with this place filled in."""
        return error.at(file=self.file, row=self.row)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Fill this place into a DataError; values that are nested too deeply raise one too."""
        try:
            yield
        except RecursionError as error:
            raise self.error(DataError("nested too deeply")) from error
        except DataError as error:
            raise self.error(error) from error


NOWHERE = Place()


@frozen(kw_only=True)
class RawRow:
    """A row as its source has it, not converted yet."""

    content: Any
    """The value of the row, or a line of JSON as bytes, which is parsed when it is needed."""
    place: Place = NOWHERE

    @property
    def value(self) -> Any:
        """The value of the row; raises DataError with its place for a line that is not JSON."""
        if not isinstance(self.content, bytes):
            return self.content
        return parse_line(self.content, file=self.place.file, row=self.place.row or 0)


@frozen(kw_only=True)
class Conversation:
    """A conversation to train on. Messages may be given as dictionaries in the OpenAI format."""

    messages: tuple[Message, ...] = field(converter=as_conversation)
    tools: tuple[ToolSpec, ...] = ()
    """The tools that the prompt declares."""
    place: Place = field(default=NOWHERE, eq=False)


class Rows(Protocol[T_co]):
    """Rows with random access."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> T_co: ...


@frozen
class Subset:
    """A selection of rows, in an order of its own."""

    rows: Rows[Any]
    indices: Any
    """Whole numbers, shape (n,)."""

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Any:
        return self.rows[int(self.indices[index])]

    @property
    def parts(self) -> tuple[Rows[Any], ...]:
        """The rows that these are selected from."""
        return (self.rows,)


def as_mapping(row: RawRow) -> Mapping[str, Any]:
    """The value of the row; raises DataError if it is not an object with named fields."""
    with row.place.errors():
        value = row.value
        if not isinstance(value, Mapping):
            raise DataError(f"a row is a JSON object, not {value!r:.80}")
        if strange := [key for key in value if not isinstance(key, str)]:
            raise DataError(f"the key {strange[0]!r:.80} is not a string")
        return value
