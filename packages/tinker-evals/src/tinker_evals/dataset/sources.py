"""Sources of the rows of a task: the hub, an installed package, a file, or this package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Protocol

from attrs import frozen

from tinker_core import ConfigError, DataError
from tinker_core.jsonl import read_jsonl
from tinker_evals.optional_packages import import_extra

Row = Mapping[str, Any]


class RowSource(Protocol):
    """Rows in an order that does not change, and a name that stands in the results."""

    def rows(self) -> list[Row]:
        """Every row. Raises ConfigError or DataError."""
        ...

    def __str__(self) -> str:
        """The name."""
        ...


@frozen
class Hub:
    """A dataset on the Hugging Face hub; gated ones need the user's own login."""

    path: str
    config: str | None = None
    """One configuration, or `*` for all: each row then has a field `config`."""
    split: str = "test"
    revision: str | None = None

    def rows(self) -> list[Row]:
        """Download the dataset, or take it from the cache."""
        datasets = import_extra("datasets", "hub", f"{self}")
        if self.config != "*":
            return list(self._load(datasets, self.config))
        configs = sorted(datasets.get_dataset_config_names(self.path, revision=self.revision))
        return [
            {**row, "config": config} for config in configs for row in self._load(datasets, config)
        ]

    def _load(self, datasets: Any, config: str | None) -> Iterable[Row]:
        rows: Iterable[Row] = datasets.load_dataset(
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
    """The file's name or the end of its path; compressed if it ends in .gz."""
    install: str | None = None
    """Arguments of `pip install`, where they are more than the name."""

    def rows(self) -> list[Row]:
        """Read the file. Raises ConfigError where the distribution is not installed."""
        try:
            found = distribution(self.name)
        except PackageNotFoundError as error:
            raise ConfigError(f"{self}: pip install {self.install or self.name}") from error
        for path in found.files or []:
            if path.match(self.file):
                return rows_of(Path(str(found.locate_file(path))))
        raise DataError(f"{self.name} {found.version} has no such file", file=self.file)

    def __str__(self) -> str:
        return f"package:{self.name}/{self.file}"


@frozen
class JsonlFile:
    """A local file with one JSON object per line."""

    path: Path

    def rows(self) -> list[Row]:
        """Read the file."""
        return rows_of(self.path)

    def __str__(self) -> str:
        return f"file:{self.path.name}"


@frozen
class Shipped:
    """The few items of a task that were written for this package."""

    task: str

    def rows(self) -> list[Row]:
        """Read them. Raises ConfigError for a task without shipped items."""
        with as_file(files("tinker_evals.dataset") / "shipped" / f"{self.task}.jsonl") as path:
            if not path.is_file():
                raise ConfigError(f"no items are shipped for {self.task!r}")
            return rows_of(path)

    def __str__(self) -> str:
        return f"shipped:{self.task}"


def rows_of(path: Path) -> list[Row]:
    """The rows of a JSONL file, also of a .gz file. Raises DataError that names file and row."""
    return [row for _, row in read_jsonl(path)]
