"""A task's folder: answers as they come, what they depend on, and the result.

setup.json      what the answers depend on
samples.jsonl   one line a reply; a line torn by a kill is dropped and its problem asked again
errors.jsonl    what failed, for people; never read as an answer
result.json     written at the end
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from attrs import define

from tinker_core import RunDirectoryError
from tinker_evals.dataset.item import Item
from tinker_evals.run.fingerprint import NOT_COMPARED
from tinker_evals.run.result import TaskResult
from tinker_evals.run.sample import Sample, read_sample
from tinker_train.config.serialization import differences
from tinker_train.files import append_row, atomic_write, keep_rows, read_rows

SAMPLES, SETUP, RESULT, ERRORS = "samples.jsonl", "setup.json", "result.json", "errors.jsonl"


@define
class Store:
    """Where answers go; nowhere when there is no folder."""

    folder: Path | None
    _file: TextIO | None = None

    @classmethod
    def open(cls, folder: Path | None, setup: dict[str, Any]) -> Store:
        """Make the folder, or go on in it; raises RunDirectoryError at answers of another run."""
        if folder is None:
            return cls(None)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / SETUP
        setup = json.loads(json.dumps(setup))
        if file.exists():
            _check_alike(folder, read_json(file), setup)
        else:
            atomic_write(file, json.dumps(setup, indent=2, ensure_ascii=False) + "\n")
        keep_rows(folder / SAMPLES, lambda row: True)  # a torn last line must not be added to
        return cls(folder)

    def samples(self, items: Sequence[Item], count: int) -> list[Sample]:
        """The stored replies to these items, at most so many each."""
        if self.folder is None:
            return []
        ids = {item.id for item in items}
        return [
            sample
            for sample in read_samples(self.folder)
            if sample.item in ids and sample.sample < count
        ]

    def add(self, samples: Sequence[Sample]) -> None:
        """Store the replies to one problem; they are on their way to the disk when this returns."""
        if self._file is not None:
            rows = [json.dumps(sample.row(), ensure_ascii=False) + "\n" for sample in samples]
            self._file.write("".join(rows))
            self._file.flush()

    def add_error(self, item: str, error: str) -> None:
        """Write down what failed."""
        if self.folder is not None:
            append_row(self.folder / ERRORS, {"item": item, "error": error})

    def write_result(self, result: TaskResult) -> None:
        """At the end."""
        if self.folder is not None:
            text = json.dumps(result.plain(), indent=2, ensure_ascii=False)
            atomic_write(self.folder / RESULT, text + "\n")

    def __enter__(self) -> Store:
        if self.folder is not None:
            self._file = (self.folder / SAMPLES).open("a", encoding="utf-8")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()


def task_folders(run: Path) -> dict[str, Path]:
    """The task folders of a run, by the task's name. Raises RunDirectoryError where it has none."""
    folders = [run] if (run / SETUP).exists() else [path.parent for path in run.glob(f"*/{SETUP}")]
    if not folders:
        raise RunDirectoryError(f"{run} holds no answers: there is no {SETUP} in it")
    return {str(read_json(folder / SETUP)["task"]): folder for folder in sorted(folders)}


def read_samples(folder: Path) -> list[Sample]:
    """Every stored reply, each once. Raises RunDirectoryError for a line that is none."""
    file = folder / SAMPLES
    rows = enumerate(read_rows(file), start=1)
    samples = [read_sample(row, f"{file}:{number}") for number, row in rows]
    return list({(sample.item, sample.sample): sample for sample in samples}.values())


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object; raises RunDirectoryError where there is none."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunDirectoryError(f"{file} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise RunDirectoryError(f"{file}: not a JSON object")
    return value


def _check_alike(folder: Path, saved: dict[str, Any], now: dict[str, Any]) -> None:
    for key in NOT_COMPARED:
        saved.pop(key, None)
    changed = differences(saved, {k: v for k, v in now.items() if k not in NOT_COMPARED})
    if changed:
        raise RunDirectoryError(
            f"{folder} holds answers of another run ({'; '.join(changed)}): choose another folder"
        )
