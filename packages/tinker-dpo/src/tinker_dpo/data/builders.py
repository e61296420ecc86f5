"""Builders of preference data: configs whose `build()` opens the data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from attrs import field, frozen, validators

from tinker_core import ConfigError, DataError, Fingerprint
from tinker_data import RawRow, Rows, SequenceRows, fingerprints, open_jsonl, split
from tinker_dpo.data.preference import Preference, read_preference
from tinker_dpo.data.row_formats import READERS, Source

T = TypeVar("T")


@frozen(kw_only=True, eq=False)
class PreferenceData:
    """The training preferences and the held-out preferences of a run.

    To index the rows may raise DataError with the row's place; `Selection.bad_row` is the policy
    for such rows.
    """

    train: Rows[Preference]
    test: Rows[Preference] = ()
    """Held-out preferences; may be empty."""
    fingerprints: tuple[Fingerprint, ...] = ()
    """Fingerprints of the sources, by which a resumed run notices changes."""


class PreferenceDataBuilder(Protocol):
    """A frozen config that opens its data when asked to; implement it to use your own data."""

    def build(self, *, seed: int) -> PreferenceData:
        """Open the data. The same seed gives the same rows in the same order."""
        ...


@frozen(kw_only=True)
class PreferenceRows:
    """The rows of JSONL files of preferences, for builders to extend."""

    path: Path
    """JSONL; each line has `prompt`, `chosen`, `rejected`, or `prompt`, `completion`, `label`."""
    test_path: Path | None = None
    """JSONL with held-out rows."""
    test_rows: int = field(default=0, validator=validators.ge(0))
    """Number of rows of `path` to hold out, chosen by the seed, if there is no `test_path`."""
    source: Source | None = None
    """Name of the data set whose row format this is; absent: the formats of `path`."""

    def open(self, seed: int) -> tuple[Rows[RawRow], Rows[RawRow]]:
        """The rows to train on and the held-out rows; raises DataError for an unreadable file."""
        rows: Rows[RawRow] = open_jsonl(self.path)
        if self.test_path is not None:
            return rows, open_jsonl(self.test_path)
        return _hold_out(rows, self.test_rows, seed, name=str(self.path))


@frozen(kw_only=True)
class PreferenceFile(PreferenceRows):
    """Pairs, or judged responses, in a JSONL file, one per line."""

    def build(self, *, seed: int) -> PreferenceData:
        """Open the files; raises DataError for one that cannot be read or has no rows."""
        return _read(*self.open(seed), self.source)


@frozen(kw_only=True)
class HubPreferences:
    """Pairs in a dataset of the Hugging Face hub; needs `pip install tinker-dpo[hub]`."""

    name: str
    """Name of the dataset, as for `datasets.load_dataset`."""
    config: str | None = None
    """Configuration of the dataset."""
    data_dir: str | None = None
    """Folder of the dataset."""
    split: str = "train"
    """Split to train on."""
    test_split: str | None = None
    """Split with held-out rows."""
    test_rows: int = field(default=0, validator=validators.ge(0))
    """Number of rows of `split` to hold out, chosen by the seed, if there is no `test_split`."""
    source: Source | None = None
    """Name of the data set whose row format this is; absent: the formats of `PreferenceFile`."""

    def build(self, *, seed: int) -> PreferenceData:
        """Load the dataset; raises DataError if that fails."""
        rows = self._load(self.split)
        if self.test_split is not None:
            return _read(rows, self._load(self.test_split), self.source)
        return _read(*_hold_out(rows, self.test_rows, seed, name=self.name), self.source)

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
"""Well-known data sets. Some have rows without a preference: set `Selection(bad_row="skip")`."""


@frozen(eq=False)
class ReadRows(Generic[T]):
    """Rows of a source, each parsed when it is indexed."""

    rows: Rows[RawRow]
    read: Callable[[RawRow], T]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> T:
        return self.read(self.rows[index])


def _hold_out(
    rows: Rows[RawRow], test_rows: int, seed: int, name: str
) -> tuple[Rows[RawRow], Rows[RawRow]]:
    return split(rows, test_rows, seed, name=name) if test_rows else (rows, ())


def _read(train: Rows[RawRow], test: Rows[RawRow], source: Source | None) -> PreferenceData:
    read = read_preference if source is None else READERS[source]
    return PreferenceData(
        train=ReadRows(train, read),
        test=ReadRows(test, read),
        fingerprints=_fingerprints(train, test),
    )


def _fingerprints(*sources: Rows[RawRow]) -> tuple[Fingerprint, ...]:
    """The fingerprint of each source; a file with held-out rows counts once."""
    found = [each for source in sources for each in fingerprints(source)]
    return tuple(dict.fromkeys(found))
