"""The folder of one task in a run: samples as they arrive, their fingerprint, and the result.

fingerprint.json   what the samples depend on
samples.jsonl      one line per sample; a line torn by a kill is dropped and asked again
errors.jsonl       what failed, for people; never read
result.json        written at the end
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TextIO

from attrs import frozen

from tinker_core import DataError, RunDirectoryError
from tinker_core.jsonl import read_jsonl
from tinker_evals.dataset.item import Item
from tinker_evals.run.fingerprint import Fingerprint, changes
from tinker_evals.run.result import TaskResult
from tinker_evals.run.sample import Sample
from tinker_train import lock_run
from tinker_train.files import append_row, atomic_write

FINGERPRINT, SAMPLES = "fingerprint.json", "samples.jsonl"
ERRORS, RESULT = "errors.jsonl", "result.json"


class SampleStore(Protocol):
    """The file of the samples of a run."""

    def samples(self, items: Sequence[Item], count: int) -> list[Sample]:
        """The stored samples of these items with numbers below `count`."""
        ...

    def add(self, samples: Sequence[Sample]) -> None:
        """Store the samples of one item. They are written when this returns."""
        ...

    def add_error(self, item: str, error: str) -> None:
        """Record what failed."""
        ...

    def write_result(self, result: TaskResult) -> None:
        """Write the result at the end of the run."""
        ...


class NoStore:
    """A run without a folder: nothing is kept."""

    def samples(self, items: Sequence[Item], count: int) -> list[Sample]:
        """No samples."""
        return []

    def add(self, samples: Sequence[Sample]) -> None:
        """Keep nothing."""

    def add_error(self, item: str, error: str) -> None:
        """Keep nothing."""

    def write_result(self, result: TaskResult) -> None:
        """Keep nothing."""


@frozen
class FolderStore:
    """A run with a folder."""

    folder: Path
    file: TextIO

    def samples(self, items: Sequence[Item], count: int) -> list[Sample]:
        """See `SampleStore`. Raises RunDirectoryError for a damaged line."""
        ids = {item.id for item in items}
        stored = read_samples(self.folder)
        return [sample for sample in stored if sample.item in ids and sample.sample < count]

    def add(self, samples: Sequence[Sample]) -> None:
        """See `SampleStore`."""
        rows = [json.dumps(sample.row(), ensure_ascii=False) + "\n" for sample in samples]
        self.file.write("".join(rows))
        self.file.flush()

    def add_error(self, item: str, error: str) -> None:
        """See `SampleStore`."""
        append_row(self.folder / ERRORS, {"item": item, "error": error})

    def write_result(self, result: TaskResult) -> None:
        """See `SampleStore`."""
        text = json.dumps(result.plain(), indent=2, ensure_ascii=False)
        atomic_write(self.folder / RESULT, text + "\n")


@contextmanager
def open_store(folder: Path | None, fingerprint: Fingerprint) -> Iterator[SampleStore]:
    """The store of a folder, which is made, or continued where its fingerprint is the same.

    One process at a time holds a folder. Raises RunDirectoryError for a folder that another process
    holds, and for samples with another fingerprint.
    """
    if folder is None:
        yield NoStore()
        return
    with lock_run(folder):
        _check_fingerprint(folder, fingerprint)
        _drop_torn_line(folder / SAMPLES)
        with (folder / SAMPLES).open("a", encoding="utf-8") as file:
            yield FolderStore(folder, file)


def _check_fingerprint(folder: Path, fingerprint: Fingerprint) -> None:
    file = folder / FINGERPRINT
    plain = json.loads(json.dumps(fingerprint))  # tuples become lists
    if not file.exists():
        atomic_write(file, json.dumps(plain, indent=2, ensure_ascii=False) + "\n")
    elif changed := changes(read_json(file), plain):
        raise RunDirectoryError(
            f"{folder} holds samples of another run ({'; '.join(changed)}): choose another folder"
        )


def _drop_torn_line(file: Path) -> None:
    """A torn last line would become the beginning of the next row."""
    if not file.exists():
        return
    with file.open("r+b") as lines:
        content = lines.read()
        lines.truncate(content.rfind(b"\n") + 1)


def task_folders(run: Path) -> dict[str, Path]:
    """The task folders of a run, by task name. Raises RunDirectoryError if there are none."""
    files = [run / FINGERPRINT] if (run / FINGERPRINT).exists() else run.glob(f"*/{FINGERPRINT}")
    folders = {str(read_json(file)["task"]): file.parent for file in sorted(files)}
    if not folders:
        raise RunDirectoryError(f"{run} holds no samples: it has no {FINGERPRINT}")
    return folders


def read_samples(folder: Path) -> list[Sample]:
    """Every stored sample once. Raises RunDirectoryError for a damaged line."""
    if not (folder / SAMPLES).exists():
        return []
    found: dict[tuple[str, int], Sample] = {}
    try:
        for number, row in read_jsonl(folder / SAMPLES, drop_torn_line=True):
            sample = _sample(row, folder / SAMPLES, number)
            found[sample.item, sample.sample] = sample
    except DataError as error:
        raise RunDirectoryError(
            f"{error}: delete this line, and its item is asked again"
        ) from error
    return list(found.values())


def _sample(row: dict[str, Any], file: Path, number: int) -> Sample:
    try:
        return Sample(**row)
    except (TypeError, ValueError) as error:
        raise DataError(f"not a sample: {error}", file=file, row=number) from error


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object. Raises RunDirectoryError for a file without one."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunDirectoryError(f"{file} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise RunDirectoryError(f"{file}: not a JSON object")
    return value
