"""Check all rows of a source before a run spends anything: read and render each of them.

A check that takes long continues in worker processes and logs its progress.
"""

from __future__ import annotations

import logging
import os
import pickle
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from tinker_core import DataError
from tinker_core.process_pool import ProcessPool
from tinker_data.datums import RenderedRow
from tinker_data.rows import NOWHERE, Place, RawRow
from tinker_data.sources.mixture import RowsStream
from tinker_data.sources.open import Source, read_all
from tinker_data.sources.streams import JsonlStream, ParquetStream, RowStream

logger = logging.getLogger(__name__)

RenderRow = Callable[[RawRow], RenderedRow]
_CHUNK = 200  # rows
_ALONE_SECONDS = 5.0
_PROGRESS_SECONDS = 10.0
_CHUNK_SECONDS = 600.0
_SHOWN = 5  # problems in a report
_VALUE_OR_ADVICE = re.compile(r"; |, not | in '|: \{")


@frozen(kw_only=True)
class DataReport:
    """The findings of a check."""

    name: str
    num_rows: int
    limit: int | None
    """The longest example that is not cut or dropped, in tokens."""
    reasons: Mapping[str, int]
    """The reasons for which rows cannot be used, with the number of rows of each."""
    problems: tuple[DataError, ...]
    """The first errors, with their places."""
    longest: int
    """Tokens of the longest example."""
    longest_at: Place
    num_too_long: int
    """Rows with an example over the limit."""
    num_over_context: int
    """Rows with an example over the context of the model; 0 if it is unknown."""
    num_truncated: int
    """Datums that will be cut."""
    num_dropped: int
    """Datums that will be dropped."""
    num_reasoning_stripped: int
    """Rows whose reasoning will be removed."""

    @property
    def num_unusable(self) -> int:
        """Rows that cannot be used."""
        return sum(self.reasons.values())

    def raise_for_problems(self) -> None:
        """Raise the first DataError, with the number of unusable rows."""
        if self.problems:
            first = self.problems[0]
            reasons = "; ".join(f"{count} x {reason}" for reason, count in self.reasons.items())
            more = (
                f" ({self.num_unusable} of {self.num_rows} rows cannot be used: {reasons};"
                " reading.bad_row='skip' skips them)"
            )
            problem = first.problem + (more if self.num_unusable > 1 else "")
            raise DataError(problem, file=first.file, row=first.row, field=first.field)


def parts_to_check(source: Source) -> Iterator[Source]:
    """The sources that can be checked: rows and files, not streams from elsewhere."""
    parts: Iterable[Any] | None = getattr(source, "parts", None)
    if parts is not None:
        for part in parts:
            yield from parts_to_check(part)
    elif not isinstance(source, RowStream) or isinstance(
        source, JsonlStream | ParquetStream | RowsStream
    ):
        yield source


def check_rows(
    rows: Iterable[RawRow],
    render: RenderRow,
    *,
    name: str,
    limit: int | None,
    context: int | None = None,
) -> DataReport:
    """Render every row, and report what became of it. `render` raises DataError."""
    found = _Findings(name=name, limit=limit, context=context)
    chunks = _chunks(iter(rows))
    began = time.monotonic()
    for chunk in chunks:
        found.add(check_chunk(chunk, render))
        if time.monotonic() - began > _ALONE_SECONDS:
            break
    for checked in _in_processes(chunks, render):
        found.add(checked)
    return found.report()


@frozen
class CheckedRow:
    """The result of one row: what it became, or why it cannot be used."""

    place: Place
    rendered: RenderedRow
    """Without its datums."""
    problem: DataError | None = None


def check_chunk(rows: Iterable[RawRow], render: RenderRow) -> list[CheckedRow]:
    """Render rows, without keeping their datums."""
    return [_checked(row, render) for row in rows]


def _checked(row: RawRow, render: RenderRow) -> CheckedRow:
    try:
        made = render(row)
    except DataError as error:
        return CheckedRow(row.place, RenderedRow(), error)
    return CheckedRow(
        row.place,
        RenderedRow(
            num_truncated=made.num_truncated,
            num_dropped=made.num_dropped,
            num_reasoning_stripped=made.num_reasoning_stripped,
            length=made.length,
        ),
    )


def _chunks(rows: Iterator[RawRow]) -> Iterator[list[RawRow]]:
    while chunk := list(islice(rows, _CHUNK)):
        yield chunk


def _in_processes(chunks: Iterator[list[RawRow]], render: RenderRow) -> Iterator[list[CheckedRow]]:
    """The checked rows of each chunk, in order, by as many processes as there are cores."""
    first = next(chunks, None)
    if first is None:
        return
    size = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder, "render")
        if size == 1 or not _is_shared(render, state):
            yield check_chunk(first, render)
            yield from (check_chunk(chunk, render) for chunk in chunks)
            return
        pool = ProcessPool(
            function=f"{__name__}:check_in_process",
            seconds=_CHUNK_SECONDS,
            size=size,
            memory_mb=1 << 16,
        )
        with ThreadPoolExecutor(size) as threads:
            try:
                ahead = [threads.submit(pool.call, str(state), first)]
                while ahead:
                    wanted = islice(chunks, 2 * size - len(ahead))
                    ahead += [threads.submit(pool.call, str(state), chunk) for chunk in wanted]
                    yield ahead.pop(0).result()
            finally:
                for future in ahead:
                    future.cancel()
                pool.close()


def _is_shared(render: RenderRow, state: Path) -> bool:
    """Write the function to the file; False if another process cannot load it."""
    try:
        data = pickle.dumps(render)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    state.write_bytes(data)
    return b"__main__" not in data  # the module of the user's script is not there


_loaded: dict[str, RenderRow] = {}


def check_in_process(state: str, rows: list[RawRow]) -> list[CheckedRow]:
    """Check rows in a process of a `ProcessPool`."""
    if state not in _loaded:
        _loaded[state] = pickle.loads(Path(state).read_bytes())
    return check_chunk(rows, _loaded[state])


@define
class _Findings:
    """Adds up the results of rows, and logs progress."""

    name: str
    limit: int | None
    context: int | None
    num_rows: int = 0
    reasons: Counter[str] = field(factory=Counter)
    problems: list[DataError] = field(factory=list)
    longest: int = 0
    longest_at: Place = NOWHERE
    num_too_long: int = 0
    num_over_context: int = 0
    totals: Counter[str] = field(factory=Counter)
    _logged: float = field(factory=time.monotonic)

    def add(self, rows: Iterable[CheckedRow]) -> None:
        """Count the results of some rows."""
        for row in rows:
            self._add(row)
        if time.monotonic() - self._logged > _PROGRESS_SECONDS:
            self._logged = time.monotonic()
            logger.info("%s: %d rows checked", self.name, self.num_rows)

    def _add(self, row: CheckedRow) -> None:
        self.num_rows += 1
        if row.problem is not None:
            self.reasons[reason_of(row.problem)] += 1
            self.problems += [row.problem] if len(self.problems) < _SHOWN else []
            return
        made = row.rendered
        if made.length > self.longest:
            self.longest, self.longest_at = made.length, row.place
        self.num_too_long += self.limit is not None and made.length > self.limit
        self.num_over_context += self.context is not None and made.length > self.context
        for key in ("num_truncated", "num_dropped", "num_reasoning_stripped"):
            self.totals[key] += getattr(made, key)

    def report(self) -> DataReport:
        """The findings so far."""
        return DataReport(
            name=self.name,
            num_rows=self.num_rows,
            limit=self.limit,
            reasons=dict(self.reasons.most_common()),
            problems=tuple(self.problems),
            longest=self.longest,
            longest_at=self.longest_at,
            num_too_long=self.num_too_long,
            num_over_context=self.num_over_context,
            num_truncated=self.totals["num_truncated"],
            num_dropped=self.totals["num_dropped"],
            num_reasoning_stripped=self.totals["num_reasoning_stripped"],
        )


def reason_of(error: DataError) -> str:
    """The kind of an error: its field and problem without numbers, values and advice."""
    field_ = re.sub(r"\[\d+\]", "[]", error.field or "")
    problem = _VALUE_OR_ADVICE.split(error.problem, maxsplit=1)[0]
    if problem.startswith(("not JSON", "not UTF-8")):
        problem = problem.split(":")[0]
    problem = re.sub(r"\[\d+\]", "[]", problem)
    problem = re.sub(r"\d+", "N", problem)[:120]
    return f"{field_}: {problem}" if field_ else problem


def check_all(
    source: Source,
    render: RenderRow,
    *,
    name: str,
    limit: int | None,
    context: int | None = None,
) -> DataReport | None:
    """Check a source, or None if nothing in it can be read twice."""
    parts = list(parts_to_check(source))
    if not parts:
        return None
    rows = (row for part in parts for row in read_all(part))
    return check_rows(rows, render, name=name, limit=limit, context=context)
