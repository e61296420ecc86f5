"""Open sources of conversations: check them, hold rows out, and make batches."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import tinker
from attrs import field, frozen, validators

from tinker_core import DataError, Fingerprint
from tinker_data.batches.batch import Batching, SupervisedDataset
from tinker_data.batches.indexed import BatchedRows
from tinker_data.batches.streamed import StreamedRows
from tinker_data.batches.workers import RenderedByWorkers
from tinker_data.check import DataReport, RenderRow, check_all
from tinker_data.datums import RenderedRow, Rendering, render_conversation
from tinker_data.layouts.conversation import Layout, read_conversation
from tinker_data.layouts.think_tags import ThinkTags
from tinker_data.rows import RawRow, Rows, Subset
from tinker_data.sources.fingerprint import fingerprints
from tinker_data.sources.open import Source, read_all
from tinker_data.sources.streams import RowStream
from tinker_render import Renderer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

logger = logging.getLogger(__name__)
BadRow = Literal["error", "skip"]


@frozen(kw_only=True)
class SupervisedData:
    """The training data of a supervised run, and its held-out data."""

    train: SupervisedDataset
    test: tuple[tinker.Datum, ...] = ()
    """Held-out datums; may be empty."""
    tokenizer: PreTrainedTokenizerBase | None = None
    """The tokenizer of the datums, to count bytes of text; None counts none."""
    reports: tuple[DataReport, ...] = ()
    """The results of checking the training data and the held-out data."""
    fingerprints: tuple[Fingerprint, ...] = ()
    """The fingerprints of the sources, by which a resumed run notices changes."""


class SupervisedDatasetBuilder(Protocol):
    """A frozen config that opens its data on request. Write your own to use your own data."""

    def build(self, *, renderer: Renderer, seed: int) -> SupervisedData:
        """Open the data. The same renderer and seed give the same batches."""
        ...


@frozen(kw_only=True)
class Reading:
    """Settings of reading rows."""

    layout: Layout | None = None
    """The layout of the rows; None recognises it by the keys of each row."""
    ignored_keys: tuple[str, ...] = ()
    """Keys of rows to ignore beside those without effect, or "*" for all. Others are errors."""
    think_tags: ThinkTags = field(
        default="reasoning", validator=validators.in_(["reasoning", "text"])
    )
    """The meaning of `<think>...</think>` at the beginning of an answer."""
    bad_row: BadRow = field(default="error", validator=validators.in_(["error", "skip"]))
    """A row that cannot be used ends the run before it starts, or is skipped and counted."""
    check: bool = True
    """Read and render every row of a file once before the run starts."""
    shuffle_block: int = field(default=10_000, validator=validators.ge(1))
    """In a stream: number of rows that are held in memory and shuffled together."""
    workers: int = field(default=0, validator=validators.ge(0))
    """Processes that render ahead; 0 renders in the process of the loop."""


@frozen(kw_only=True)
class ConversationSettings:
    """Settings that are the same for every source of conversations."""

    test_rows: int = field(default=0, validator=validators.ge(0))
    """Number of rows to hold out if there is no other held-out data: chosen by the seed, or the \
first ones of a stream."""
    batching: Batching = field(factory=Batching)
    rendering: Rendering = field(factory=Rendering)
    reading: Reading = field(factory=Reading)


@frozen(kw_only=True)
class Opening:
    """Opens a source of conversations with the settings of a builder."""

    settings: ConversationSettings
    renderer: Renderer
    seed: int
    name: str

    def open(self, train: Source, test: Source | None) -> SupervisedData:
        """Batches of the first source; datums of the second, or of rows held out of the first."""
        reports = self._check(train, test)
        sources = [train] if test is None else [train, test]
        test_rows = self.settings.test_rows if test is None else 0
        dataset, held_out = self._split(train, test_rows)
        rows = held_out if test is None else read_all(test)
        return SupervisedData(
            train=dataset,
            test=tuple(datum for row in rows for datum in self._render(row).datums),
            tokenizer=self.renderer.tokenizer,
            reports=reports,
            fingerprints=tuple(each for source in sources for each in fingerprints(source)),
        )

    def _split(self, train: Source, test_rows: int) -> tuple[SupervisedDataset, Iterator[RawRow]]:
        """The training data, and rows held out of it."""
        if isinstance(train, RowStream):
            held_out = islice(train.read(), test_rows)
            return self._ahead(self._stream(train, test_rows)), held_out
        if not test_rows:
            return self._ahead(self._rows(train)), iter(())
        rest, held = split(train, test_rows, self.seed, name=self.name)
        return self._ahead(self._rows(rest)), read_all(held)

    def _check(self, train: Source, test: Source | None) -> tuple[DataReport, ...]:
        """Check the sources by the policy for unusable rows."""
        if not self.settings.reading.check:
            return ()
        render = partial(
            render_raw,
            renderer=self.renderer,
            rendering=self.settings.rendering,
            reading=self.settings.reading,
        )
        limits = {
            "limit": self.settings.rendering.limit(self.renderer),
            "context": self.renderer.context_length,
        }
        found = [(self.name, train), *([(f"held-out data of {self.name}", test)] if test else [])]
        reports = [check_all(source, render, name=name, **limits) for name, source in found]
        for report in filter(None, reports):
            if self.settings.reading.bad_row == "error":
                report.raise_for_problems()
            _warn(report)
        return tuple(report for report in reports if report is not None)

    @property
    def _render(self) -> RenderRow:
        """Renders a row, or skips it by the policy for unusable rows."""
        settings = self.settings
        return partial(
            render_or_skip,
            renderer=self.renderer,
            rendering=settings.rendering,
            reading=settings.reading,
        )

    def _ahead(self, dataset: BatchedRows[RawRow] | StreamedRows) -> SupervisedDataset:
        workers = self.settings.reading.workers
        return RenderedByWorkers(dataset=dataset, workers=workers) if workers else dataset

    def _rows(self, rows: Rows[RawRow]) -> BatchedRows[RawRow]:
        return BatchedRows(
            rows=rows,
            render=self._render,
            batching=self.settings.batching,
            seed=self.seed,
            name=self.name,
        )

    def _stream(self, stream: RowStream, first_row: int) -> StreamedRows:
        return StreamedRows(
            stream=stream,
            render=self._render,
            batching=self.settings.batching,
            shuffle_block=self.settings.reading.shuffle_block,
            first_row=first_row,
            seed=self.seed,
            name=self.name,
        )


def render_raw(
    row: RawRow, *, renderer: Renderer, rendering: Rendering, reading: Reading
) -> RenderedRow:
    """The datums of a row as its source has it. Raises DataError with its place."""
    conversation = read_conversation(
        row, reading.layout, ignored_keys=reading.ignored_keys, think_tags=reading.think_tags
    )
    return render_conversation(conversation, renderer, rendering)


def render_or_skip(
    row: RawRow, *, renderer: Renderer, rendering: Rendering, reading: Reading
) -> RenderedRow:
    """Call `render_raw`; with `reading.bad_row="skip"`, an unusable row has no datums."""
    try:
        return render_raw(row, renderer=renderer, rendering=rendering, reading=reading)
    except DataError:
        if reading.bad_row == "error":
            raise
        return RenderedRow(num_skipped_rows=1)


def _warn(report: DataReport) -> None:
    if report.problems:
        reasons = "; ".join(f"{count} x {reason}" for reason, count in report.reasons.items())
        logger.warning(
            "%s: %d rows will be skipped; the first: %s (%s)",
            report.name,
            report.num_unusable,
            report.problems[0],
            reasons,
        )
    if report.num_too_long:
        logger.warning(
            "%s: %d of %d rows are longer than %s tokens: %d datums are cut, %d dropped",
            report.name,
            report.num_too_long,
            report.num_rows,
            report.limit,
            report.num_truncated,
            report.num_dropped,
        )


def split(
    rows: Rows[RawRow], test_rows: int, seed: int, *, name: str = "data"
) -> tuple[Subset, Subset]:
    """The rows without `test_rows` of them, and these, chosen by the seed."""
    if not 0 < test_rows < len(rows):
        raise DataError(f"{test_rows} test rows cannot be taken out of {len(rows)}", file=name)
    order = np.random.default_rng([seed, _SPLIT]).permutation(len(rows))
    return Subset(rows, np.sort(order[test_rows:])), Subset(rows, np.sort(order[:test_rows]))


_SPLIT = 0x5B117  # keeps the split apart from the shuffles of the same seed
