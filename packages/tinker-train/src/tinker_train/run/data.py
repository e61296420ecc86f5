"""A run's data.json: the fingerprints of its data."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from attrs import asdict

from tinker_core import Fingerprint, RunDirectoryError, fingerprint_changes
from tinker_train.files import atomic_write
from tinker_train.run.directory import RunDirectory


def check_same_data(path: Path, fingerprints: Sequence[Fingerprint]) -> None:
    """Raise RunDirectoryError if the run in the folder was made with other data."""
    saved = _read(RunDirectory(path).data_file)
    if saved and fingerprints and (changes := fingerprint_changes(saved, fingerprints)):
        raise RunDirectoryError(
            f"{path}: the data changed since the run began: {'; '.join(changes)}. To continue with"
            " the data as it is now: resume(run_dir, changed_data=True), resume --changed-data"
        )


def record_data(path: Path, fingerprints: Sequence[Fingerprint]) -> None:
    """Write the fingerprints of the data of the run, if there are any."""
    if fingerprints:
        plain = [asdict(each) for each in fingerprints]
        atomic_write(RunDirectory(path).data_file, json.dumps(plain, indent=2) + "\n")


def _read(file: Path) -> list[Fingerprint]:
    """The saved fingerprints; empty for a run without any."""
    try:
        return [Fingerprint(**each) for each in json.loads(file.read_text(encoding="utf-8"))]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        raise RunDirectoryError(f"{file} cannot be read: {error}") from error
