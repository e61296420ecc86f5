"""Where a task's rows come from: the hub, an installed package, a file, or this package."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

from attrs import frozen

from tinker_core import ConfigError, DataError
from tinker_evals.optional_packages import import_extra


class Source(Protocol):
    """Somewhere that rows come from."""

    def rows(self) -> list[Mapping[str, Any]]:
        """Every row, in an order that does not change. Raises ConfigError or DataError."""
        ...

    def __str__(self) -> str:
        """Stands in the results."""
        ...


@frozen
class Hub:
    """A dataset on the Hugging Face hub; the login that gated ones need is the user's own."""

    path: str
    config: str | None = None
    """One configuration, or `*` for all: then each row says which in its field `config`."""
    split: str = "test"
    revision: str | None = None

    def rows(self) -> list[Mapping[str, Any]]:
        """Download it, or take it from the cache."""
        datasets = import_extra("datasets", "hub", f"{self}")
        if self.config != "*":
            return list(self._load(datasets, self.config))
        configs = sorted(datasets.get_dataset_config_names(self.path, revision=self.revision))
        return [
            {**row, "config": config} for config in configs for row in self._load(datasets, config)
        ]

    def _load(self, datasets: Any, config: str | None) -> Iterable[Mapping[str, Any]]:
        rows: Iterable[Mapping[str, Any]] = datasets.load_dataset(
            self.path, config, split=self.split, revision=self.revision
        )
        return rows

    def __str__(self) -> str:
        config = f"/{self.config}" if self.config else ""
        revision = f"@{self.revision}" if self.revision else ""
        return f"hub:{self.path}{config}:{self.split}{revision}"


@frozen
class Package:
    """A JSONL file inside an installed distribution, which is not imported."""

    name: str
    file: str
    """The file's own name, or the end of its path; compressed where it ends in .gz."""
    install: str | None = None
    """What `pip install` is to be given, where that is more than the name."""

    def rows(self) -> list[Mapping[str, Any]]:
        """Read it; raises ConfigError where the distribution is not installed."""
        try:
            found = distribution(self.name)
        except PackageNotFoundError as error:
            raise ConfigError(f"{self}: pip install {self.install or self.name}") from error
        for path in found.files or []:
            if path.match(self.file):
                return list(read_jsonl(Path(str(found.locate_file(path)))))
        raise DataError(f"{self.name} {found.version} has no such file", file=self.file)

    def __str__(self) -> str:
        return f"package:{self.name}/{self.file}"


@frozen
class JsonlFile:
    """A local file with one JSON object a line."""

    path: Path

    def rows(self) -> list[Mapping[str, Any]]:
        """Read it."""
        return list(read_jsonl(self.path))

    def __str__(self) -> str:
        return f"file:{self.path.name}"


@frozen
class Shipped:
    """The handful of items written for a task, which come with this package."""

    task: str

    def rows(self) -> list[Mapping[str, Any]]:
        """Read them; raises ConfigError where there are none for the task."""
        path = files("tinker_evals.dataset") / "shipped" / f"{self.task}.jsonl"
        if not path.is_file():
            raise ConfigError(f"no items are shipped for {self.task!r}")
        return list(_parsed(path.read_text(encoding="utf-8").splitlines(), f"{self}"))

    def __str__(self) -> str:
        return f"shipped:{self.task}"


def read_jsonl(path: Path) -> Iterable[Mapping[str, Any]]:
    """The objects of a JSONL file, compressed or not. Raises DataError with the row's number."""
    try:
        if path.suffix == ".gz":
            text = gzip.decompress(path.read_bytes()).decode()
        else:
            text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot be read: {error}", file=path) from error
    return _parsed(text.splitlines(), str(path))


def _parsed(lines: Iterable[str], where: str) -> Iterable[Mapping[str, Any]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"not JSON: {error}", file=where, row=number) from error
        if not isinstance(row, dict):
            raise DataError(f"not a JSON object: {line:.60}", file=where, row=number)
        yield row
