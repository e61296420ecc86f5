"""What a config says about preference data, and `build()`, which opens it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from attrs import field, frozen, validators

from tinker_core import ConfigError, DataError
from tinker_data import PreferencePair, RawRow, Rows, SequenceRows, open_jsonl, split
from tinker_data.rows import as_mapping
from tinker_dpo.data.judged_response import JudgedResponse, read_judged, read_pair
from tinker_dpo.data.row_formats import READERS, Source

Preference = PreferencePair | JudgedResponse
T = TypeVar("T")


@frozen(kw_only=True, eq=False)
class PreferenceData:
    """What a preference run learns from, and what it is measured on.

    Having a row may raise DataError with its place; what becomes of such a row, the run decides.
    """

    train: Rows[Preference]
    test: Rows[Preference] = ()
    """Held-out preferences; may be none."""


class PreferenceDataBuilder(Protocol):
    """A frozen config that opens its data when asked to; write your own to bring your own data."""

    def build(self, *, seed: int) -> PreferenceData:
        """Open the data. The same seed gives the same rows in the same order."""
        ...


@frozen(kw_only=True)
class PreferenceFile:
    """Pairs, or judged responses, in a JSONL file, one a line."""

    path: Path
    """JSONL; each line `prompt`, `chosen`, `rejected`, or `prompt`, `completion`, `label`."""
    test_path: Path | None = None
    """A second file, to measure on."""
    test_rows: int = field(default=0, validator=validators.ge(0))
    """Without a second file: so many rows of the first, chosen by the seed, are held out."""
    source: Source | None = None
    """The data set whose rows these are, where they have a shape of their own."""

    def build(self, *, seed: int) -> PreferenceData:
        """Open the files; raises DataError for one that cannot be read or has no rows."""
        read = read_preference if self.source is None else READERS[self.source]
        train, test = self.open(seed=seed)
        return PreferenceData(train=ReadRows(train, read), test=ReadRows(test, read))

    def open(self, *, seed: int) -> tuple[Rows[RawRow], Rows[RawRow]]:
        """The rows to train on and those held out, as they lie in the files."""
        rows: Rows[RawRow] = open_jsonl(self.path)
        if self.test_path is not None:
            return rows, open_jsonl(self.test_path)
        if self.test_rows:
            return split(rows, self.test_rows, seed, name=str(self.path))
        return rows, ()


@frozen(kw_only=True)
class HubPreferences:
    """Pairs in a dataset of the Hugging Face hub; needs `pip install tinker-dpo[hub]`."""

    name: str
    """The dataset, as `datasets.load_dataset` takes it."""
    config: str | None = None
    """Which configuration of it."""
    data_dir: str | None = None
    """Which folder of it."""
    split: str = "train"
    """What to learn from."""
    test_split: str | None = None
    """What to measure on."""
    test_rows: int = field(default=0, validator=validators.ge(0))
    """Without a test split: so many rows, chosen by the seed, are held out."""
    source: Source | None = None
    """The data set whose rows these are, where they have a shape of their own."""

    def build(self, *, seed: int) -> PreferenceData:
        """Load it; raises DataError where that cannot be done."""
        read = read_preference if self.source is None else READERS[self.source]
        train = self._load(self.split)
        test: Rows[RawRow] = ()
        if self.test_split is not None:
            test = self._load(self.test_split)
        elif self.test_rows:
            train, test = split(train, self.test_rows, seed, name=self.name)
        return PreferenceData(train=ReadRows(train, read), test=ReadRows(test, read))

    def _load(self, part: str) -> Rows[RawRow]:
        try:
            from datasets import load_dataset
        except ImportError as error:
            raise ConfigError(f"{self.name} needs `pip install tinker-dpo[hub]`") from error
        label = f"{self.name}[{part}]"
        try:
            rows = load_dataset(self.name, self.config, data_dir=self.data_dir, split=part)
        except (OSError, ValueError) as error:
            raise DataError(f"cannot be loaded: {error}", file=label) from error
        return SequenceRows(rows, label)


KNOWN: dict[Source, HubPreferences] = {
    "hh_rlhf": HubPreferences(name="Anthropic/hh-rlhf", test_split="test", source="hh_rlhf"),
    "helpsteer2": HubPreferences(
        name="nvidia/HelpSteer2", data_dir="preference", test_rows=300, source="helpsteer2"
    ),
    "helpsteer3": HubPreferences(
        name="nvidia/HelpSteer3",
        config="preference",
        test_split="validation",
        source="helpsteer3",
    ),
    "ultrafeedback": HubPreferences(
        name="HuggingFaceH4/ultrafeedback_binarized",
        split="train_prefs",
        test_split="test_prefs",
    ),
    "tulu3": HubPreferences(name="allenai/llama-3.1-tulu-3-8b-preference-mixture", test_rows=500),
}
"""Well-known data sets. Some have rows without a preference: let the run skip bad rows."""


@frozen(eq=False)
class ReadRows(Generic[T]):
    """Rows of a source, read when they are asked for."""

    rows: Rows[RawRow]
    read: Callable[[RawRow], T]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> T:
        return self.read(self.rows[index])


def read_preference(row: RawRow) -> Preference:
    """A pair, or a judged response where the row has a label; raises DataError with its place."""
    return read_judged(row) if "label" in as_mapping(row) else read_pair(row)
