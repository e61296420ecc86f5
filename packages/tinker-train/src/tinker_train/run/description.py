"""The config.json of a run: config, versions, git revision, seed and engine."""

from __future__ import annotations

import json
import subprocess
import time
import uuid
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, TypeVar

from attrs import evolve

from tinker_core import ConfigError, RunDirectoryError
from tinker_train.config.serialization import differences, from_plain, to_plain
from tinker_train.files import atomic_write
from tinker_train.run.directory import RunDirectory, refuse_run

C = TypeVar("C")
_ALSO_NAMED = ("numpy", "transformers", "attrs", "datasets", "torch")


def create_run(path: Path, config: Any, *, engine: str, seed: int) -> RunDirectory:
    """Make the run directory and write its config.json; raises RunDirectoryError for a used one."""
    refuse_run(path)
    run = RunDirectory(path)
    path.mkdir(parents=True, exist_ok=True)
    description = {
        "run_id": uuid.uuid4().hex,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seed": seed,
        "engine": engine,
        "git_revision": git_revision(),
        "versions": installed_versions(),
        "config": to_plain(config),
    }
    atomic_write(run.config_file, json.dumps(description, indent=2) + "\n")
    return run


def read_description(path: Path) -> dict[str, Any]:
    """The contents of config.json; raises RunDirectoryError if it is missing or unreadable."""
    file = RunDirectory(path).config_file
    try:
        description = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunDirectoryError(f"{path} holds no run: there is no {file.name}") from None
    except (OSError, ValueError) as error:
        raise RunDirectoryError(f"{file} cannot be read: {error}") from error
    if not isinstance(description, dict) or not isinstance(description.get("config"), dict):
        raise RunDirectoryError(f"{file} is not a run's config")
    return description


def read_run_config(path: Path, kind: type[C]) -> C:
    """The config of a run, with `run_dir` set to its directory, which may have moved.

    Raises RunDirectoryError, and ConfigError for a run with another config class.
    """
    config = from_plain(read_description(path)["config"])
    if not isinstance(config, kind):
        expected = f"{kind.__module__}.{kind.__qualname__}"
        found = f"{type(config).__module__}.{type(config).__qualname__}"
        raise ConfigError(f"{path} holds a run of {found}, not of {expected}")
    return evolve(config, run_dir=path)  # type: ignore[misc]  # every run's config is an attrs class


def check_same_config(path: Path, config: Any) -> None:
    """Raise RunDirectoryError unless the run in the directory has this config.

    `run_dir` is ignored, because a run may be moved.
    """
    saved = dict(read_description(path)["config"])
    now = json.loads(json.dumps(to_plain(config)))
    for plain in (saved, now):
        plain.pop("run_dir", None)
    if changed := differences(saved, now):
        raise RunDirectoryError(f"{path} holds a run with another config: {'; '.join(changed)}")


def installed_versions() -> Mapping[str, str]:
    """The versions of our packages, of the SDK and of libraries that affect numbers."""
    names = {dist.metadata["Name"]: dist.version for dist in distributions()}
    return {
        name: version
        for name, version in sorted(names.items())
        if name.startswith("tinker") or name in _ALSO_NAMED
    }


def git_revision(folder: Path | None = None) -> str | None:
    """The commit that is checked out, with `+changes` for a dirty tree; None without git."""

    def git(*arguments: str) -> str:
        command = ["git", *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
