"""What a config says about data, and `build()`, which opens it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import tinker
from attrs import field, frozen, validators

from tinker_core import DataError
from tinker_data.batches.batch import Batching, SupervisedDataset
from tinker_data.batches.indexed import BatchedRows
from tinker_data.batches.streamed import StreamedRows
from tinker_data.batches.workers import RenderedByWorkers
from tinker_data.datums import RenderedRow, Rendering, render_conversation
from tinker_data.layouts.conversation import Layout, read_conversation
from tinker_data.rows import RawRow, Rows, Subset
from tinker_data.sources.mixture import Until, mix
from tinker_data.sources.open import Source, open_file, open_hub
from tinker_data.sources.streams import RowStream
from tinker_render import Renderer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

logger = logging.getLogger(__name__)
BadRow = Literal["error", "skip"]
RenderRow = Callable[[RawRow], RenderedRow]


@frozen(kw_only=True)
class SupervisedData:
    """What a supervised run learns from, and what it is measured on."""

    train: SupervisedDataset
    test: tuple[tinker.Datum, ...] = ()
    """Held-out datums; may be none."""
    tokenizer: PreTrainedTokenizerBase | None = None
    """Of the datums' tokens, to count the bytes that they stand for; None counts none."""


class SupervisedDatasetBuilder(Protocol):
    """A frozen config that opens its data when asked to; write your own to bring your own data."""

    def build(self, *, renderer: Renderer, seed: int) -> SupervisedData:
        """Open the data. The same renderer and seed give the same batches."""
        ...


@frozen(kw_only=True)
class Reading:
    """How rows are read, whatever they come from."""

    layout: Layout | None = None
    """How a row is laid out; recognised by its keys unless given."""
    bad_row: BadRow = field(default="error", validator=validators.in_(["error", "skip"]))
    """A row that cannot be used ends the run, or is left out and counted."""
    check: bool = True
    """Whether every row of a file with an index is read once before anything begins."""
    shuffle_block: int = field(default=10_000, validator=validators.ge(1))
    """Of a stream: rows that are held in memory and shuffled among themselves."""
    workers: int = field(default=0, validator=validators.ge(0))
    """Processes that render ahead; 0 renders in the loop's own."""


@frozen(kw_only=True)
class ConversationFile:
    """Conversations in a file, one a row."""

    path: Path
    """JSONL (also .gz, .zst) or Parquet; rows have `messages` as in the OpenAI chat format, or \
another known layout."""
    test_path: Path | None = None
    """A second file, to measure on."""
    test_rows: int = field(default=0, validator=validators.ge(0))
    """Without a second file, so many rows of the first are held out: chosen by the seed, or the \
first ones of a stream."""
    batching: Batching = field(factory=Batching)
    rendering: Rendering = field(factory=Rendering)
    reading: Reading = field(factory=Reading)

    def build(self, *, renderer: Renderer, seed: int) -> SupervisedData:
        """Open the files; raises DataError with file and row for what cannot be used."""
        test = None if self.test_path is None else open_file(self.test_path)
        opening = Opening(
            renderer=renderer,
            seed=seed,
            batching=self.batching,
            rendering=self.rendering,
            reading=self.reading,
            name=str(self.path),
        )
        return opening.open(open_file(self.path), test, self.test_rows)


@frozen(kw_only=True)
class ConversationMixture:
    """Conversations in several files, drawn from in proportion to weights."""

    files: Mapping[Path, float] = field(validator=validators.min_len(1))
    """Each with its weight: how often a row comes from it, beside the others. One stream makes \
all a stream."""
    until: Until = field(
        default="all_exhausted", validator=validators.in_(["first_exhausted", "all_exhausted"])
    )
    """An epoch ends when a row is wanted of a file that has none left, or when every row of every \
file has come; a file that comes to its end begins anew until then."""
    test_path: Path | None = None
    """A file to measure on."""
    test_rows: int = field(default=0, validator=validators.ge(0))
    """Without one, so many rows of the mixture are held out. Of a file that began anew they may \
come again in training."""
    batching: Batching = field(factory=Batching)
    rendering: Rendering = field(factory=Rendering)
    reading: Reading = field(factory=Reading)

    @files.validator
    def _above_zero(self, _: object, files: Mapping[Path, float]) -> None:
        for path, weight in files.items():
            if not weight > 0:
                raise ValueError(f"files: the weight of {path} is {weight}; it has to be above 0")

    def build(self, *, renderer: Renderer, seed: int) -> SupervisedData:
        """Open the files; raises DataError with file and row for what cannot be used."""
        opening = Opening(
            renderer=renderer,
            seed=seed,
            batching=self.batching,
            rendering=self.rendering,
            reading=self.reading,
            name=f"mixture of {', '.join(str(path) for path in self.files)}",
        )
        sources = [open_file(path) for path in self.files]
        train = mix(sources, list(self.files.values()), seed=seed, until=self.until)
        test = None if self.test_path is None else open_file(self.test_path)
        return opening.open(train, test, self.test_rows)


@frozen(kw_only=True)
class HubConversations:
    """Conversations in a dataset of the Hugging Face hub, or whatever `datasets` can read."""

    name: str
    """The dataset, as `datasets.load_dataset` takes it."""
    config: str | None = None
    """Which configuration of it."""
    split: str = "train"
    """What to learn from."""
    test_split: str | None = None
    """What to measure on."""
    test_rows: int = field(default=0, validator=validators.ge(0))
    """Without a test split, so many rows are held out."""
    streaming: bool = False
    """Read it from front to back without storing it."""
    batching: Batching = field(factory=Batching)
    rendering: Rendering = field(factory=Rendering)
    reading: Reading = field(factory=Reading)

    def build(self, *, renderer: Renderer, seed: int) -> SupervisedData:
        """Load it; raises DataError where that cannot be done, or for a row that cannot be used."""
        opening = Opening(
            renderer=renderer,
            seed=seed,
            batching=self.batching,
            rendering=self.rendering,
            reading=self.reading,
            name=f"{self.name}[{self.split}]",
        )
        load = partial(open_hub, self.name, config=self.config, streaming=self.streaming)
        test = None if self.test_split is None else load(split=self.test_split)
        return opening.open(load(split=self.split), test, self.test_rows)


def no_robots(batching: Batching | None = None) -> HubConversations:
    """10,000 instructions with answers written by people (HuggingFaceH4/no_robots)."""
    return HubConversations(
        name="HuggingFaceH4/no_robots", test_split="test", batching=batching or Batching()
    )


def tulu3(batching: Batching | None = None) -> HubConversations:
    """The 939,000 conversations that Tulu 3 was fine-tuned on (allenai/tulu-3-sft-mixture)."""
    return HubConversations(
        name="allenai/tulu-3-sft-mixture",
        test_rows=1024,  # it lies ordered by origin: only rows in any order can be shuffled in full
        batching=batching or Batching(batch_size=128),
    )


@frozen(kw_only=True)
class Opening:
    """Opens sources of conversations, of whatever kind, as one config says."""

    renderer: Renderer
    seed: int
    batching: Batching
    rendering: Rendering
    reading: Reading
    name: str

    def open(self, train: Source, test: Source | None, test_rows: int) -> SupervisedData:
        """Batches of the first source; datums of the second, or of rows held out of the first."""
        render = partial(
            render_raw, renderer=self.renderer, rendering=self.rendering, reading=self.reading
        )
        held_out: Iterator[RawRow] = iter(())
        dataset: SupervisedDataset
        if isinstance(train, RowStream):
            first_row = test_rows if test is None else 0
            held_out = islice(train.read(), first_row)
            dataset = self._ahead(self._stream(train, first_row, render))
        else:
            if self.reading.check:
                check_rows(train, self.reading, self.name)
            if test is None and test_rows:
                train, rest = split(train, test_rows, self.seed, name=self.name)
                held_out = read_all(rest)
            dataset = self._ahead(self._rows(train, render))
        rows = held_out if test is None else read_all(test)
        return SupervisedData(
            train=dataset,
            test=tuple(datum for row in rows for datum in render(row).datums),
            tokenizer=self.renderer.tokenizer,
        )

    def _ahead(self, dataset: BatchedRows[RawRow] | StreamedRows) -> SupervisedDataset:
        workers = self.reading.workers
        return RenderedByWorkers(dataset=dataset, workers=workers) if workers else dataset

    def _rows(self, rows: Rows[RawRow], render: RenderRow) -> BatchedRows[RawRow]:
        return BatchedRows(
            rows=rows, render=render, batching=self.batching, seed=self.seed, name=self.name
        )

    def _stream(self, stream: RowStream, first_row: int, render: RenderRow) -> StreamedRows:
        return StreamedRows(
            stream=stream,
            render=render,
            batching=self.batching,
            shuffle_block=self.reading.shuffle_block,
            first_row=first_row,
            seed=self.seed,
            name=self.name,
        )


def render_raw(
    row: RawRow, *, renderer: Renderer, rendering: Rendering, reading: Reading
) -> RenderedRow:
    """A row as its source has it, to datums; one that cannot be used, by `reading.bad_row`."""
    try:
        return render_conversation(read_conversation(row, reading.layout), renderer, rendering)
    except DataError:
        if reading.bad_row == "error":
            raise
        return RenderedRow(num_skipped_rows=1)


def read_all(source: Source) -> Iterator[RawRow]:
    """The rows of a source from front to back."""
    if isinstance(source, RowStream):
        yield from source.read()
    else:
        for i in range(len(source)):
            yield source[i]


def check_rows(rows: Rows[RawRow], reading: Reading, name: str) -> None:
    """Read every row. The first bad one raises its DataError, or all are counted in a warning."""
    problems = []
    for i in range(len(rows)):
        try:
            read_conversation(rows[i], reading.layout)
        except DataError as error:
            if reading.bad_row == "error":
                raise
            problems.append(error)
    if problems:
        logger.warning(
            "%s: %d rows will be skipped; the first: %s", name, len(problems), problems[0]
        )


def split(
    rows: Rows[RawRow], test_rows: int, seed: int, *, name: str = "data"
) -> tuple[Subset, Subset]:
    """The rows without `test_rows` of them, and those, chosen by the seed."""
    if not 0 < test_rows < len(rows):
        raise DataError(f"{test_rows} test rows cannot be taken out of {len(rows)}", file=name)
    order = np.random.default_rng([seed, _SPLIT]).permutation(len(rows))
    return Subset(rows, np.sort(order[test_rows:])), Subset(rows, np.sort(order[:test_rows]))


_SPLIT = 0x5B117  # keeps the split apart from the shuffles of the same seed
