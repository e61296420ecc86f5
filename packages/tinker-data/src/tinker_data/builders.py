"""Configs of supervised data: a file, a mixture of files, a dataset of the Hugging Face hub."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from attrs import field, frozen, validators

from tinker_data.batches.batch import Batching
from tinker_data.sources.mixture import Until, mix
from tinker_data.sources.open import open_file, open_hub
from tinker_data.supervised import ConversationSettings, Opening, Reading, SupervisedData
from tinker_render import Renderer


@frozen(kw_only=True)
class ConversationFile(ConversationSettings):
    """Conversations in a file, one per row."""

    path: Path
    """JSONL (also .gz, .zst), a .json array, or Parquet. Rows have `messages` in the OpenAI chat \
format, or another known layout."""
    test_path: Path | None = None
    """File of the held-out data."""

    def build(self, *, renderer: Renderer, seed: int) -> SupervisedData:
        """Open the files; raises DataError with file and row for what cannot be used."""
        test = None if self.test_path is None else open_file(self.test_path)
        opening = Opening(settings=self, renderer=renderer, seed=seed, name=str(self.path))
        return opening.open(open_file(self.path), test)


@frozen(kw_only=True)
class ConversationMixture(ConversationSettings):
    """Conversations in several files, drawn in proportion to weights.

    Held-out rows of a file that starts again may be drawn for training too.
    """

    files: Mapping[Path, float] = field(validator=validators.min_len(1))
    """Each file with its weight: how often a row is drawn from it, relative to the others. One \
stream makes the mixture a stream."""
    until: Until = field(
        default="all_exhausted", validator=validators.in_(["first_exhausted", "all_exhausted"])
    )
    """An epoch ends when every row of every file was drawn, and files that end start again until \
then; or when a file would have to start again."""
    test_path: Path | None = None
    """File of the held-out data."""

    @files.validator
    def _above_zero(self, _: object, files: Mapping[Path, float]) -> None:
        for path, weight in files.items():
            if not 0 < weight < math.inf:
                raise ValueError(
                    f"files: the weight of {path} is {weight}; it must be a finite number above 0"
                )

    def build(self, *, renderer: Renderer, seed: int) -> SupervisedData:
        """Open the files; raises DataError with file and row for what cannot be used."""
        name = f"mixture of {', '.join(str(path) for path in self.files)}"
        sources = [open_file(path) for path in self.files]
        train = mix(sources, list(self.files.values()), seed=seed, until=self.until)
        test = None if self.test_path is None else open_file(self.test_path)
        return Opening(settings=self, renderer=renderer, seed=seed, name=name).open(train, test)


@frozen(kw_only=True)
class HubConversations(ConversationSettings):
    """Conversations in a dataset of the Hugging Face hub, or in what `datasets` can read."""

    name: str
    """The dataset, as `datasets.load_dataset` takes it."""
    config: str | None = None
    """The configuration of the dataset."""
    split: str = "train"
    """The split of the training data."""
    test_split: str | None = None
    """The split of the held-out data."""
    streaming: bool = False
    """Read it from front to back without storing it."""

    def build(self, *, renderer: Renderer, seed: int) -> SupervisedData:
        """Load it; raises DataError if that fails, and for a row that cannot be used."""
        name = f"{self.name}[{self.split}]"
        load = partial(open_hub, self.name, config=self.config, streaming=self.streaming)
        test = None if self.test_split is None else load(split=self.test_split)
        opening = Opening(settings=self, renderer=renderer, seed=seed, name=name)
        return opening.open(load(split=self.split), test)


def no_robots(batching: Batching | None = None) -> HubConversations:
    """10,000 instructions with answers written by people (HuggingFaceH4/no_robots)."""
    return HubConversations(
        name="HuggingFaceH4/no_robots",
        test_split="test",
        reading=Reading(ignored_keys=("prompt",)),  # the first user message again
        batching=batching or Batching(),
    )


def tulu3(batching: Batching | None = None) -> HubConversations:
    """The 939,000 conversations that Tulu 3 was fine-tuned on (allenai/tulu-3-sft-mixture)."""
    return HubConversations(
        name="allenai/tulu-3-sft-mixture",
        test_rows=1024,  # the rows are ordered by origin: random access shuffles them completely
        batching=batching or Batching(batch_size=128),
    )
