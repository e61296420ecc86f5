"""The exceptions of all packages.

PostTrainingError
├── ConfigError (ValueError)        a setting that cannot be used
│   └── TokenizerError              a model without a tokenizer in any known place
├── DataError (ValueError)          a row, message or datum that cannot be used; knows its place
│   └── JsonError                   text that is not JSON, a value that JSON cannot express
├── RenderError (ValueError)        a conversation that a renderer cannot express
├── EngineError (RuntimeError)      no engine, or an engine that cannot do what was asked
├── CheckpointError (RuntimeError)  a checkpoint that is missing or does not fit
└── RunDirectoryError (RuntimeError) a run directory that is taken, missing or damaged
"""

from __future__ import annotations

from os import PathLike
from typing import Literal


class PostTrainingError(Exception):
    """The base class: `except PostTrainingError` catches every exception of these packages."""


class ConfigError(PostTrainingError, ValueError):
    """A setting that cannot be used."""


class TokenizerError(ConfigError):
    """No tokenizer of a model was found in any known place."""


class DataError(PostTrainingError, ValueError):
    """Data that cannot be used. The message is `file:row: field: problem`.

    Rows count from 1, as editors count lines.
    """

    def __init__(
        self,
        problem: str,
        *,
        file: str | PathLike[str] | None = None,
        row: int | None = None,
        field: str | None = None,
    ) -> None:
        self.problem = problem
        self.file = None if file is None else str(file)
        self.row = row
        self.field = field
        super().__init__(problem)

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.row) if part is not None)
        return ": ".join(part for part in (place, self.field, self.problem) if part)

    def at(self, *, file: str | PathLike[str] | None = None, row: int | None = None) -> DataError:
        """The same error with the file and row filled in where they were not known yet."""
        return DataError(
            self.problem,
            file=self.file if self.file is not None else file,
            row=self.row if self.row is not None else row,
            field=self.field,
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with all fields: the error crosses process boundaries."""
        return _data_error, (self.problem, self.file, self.row, self.field)


def _data_error(problem: str, file: str | None, row: int | None, field: str | None) -> DataError:
    return DataError(problem, file=file, row=row, field=field)


Feature = Literal["reasoning", "tools", "images"]


class RenderError(PostTrainingError, ValueError):
    """A conversation that a renderer cannot express.

    `lacks` names the feature of the conversation that the format has no form for, if that is the
    reason.
    """

    def __init__(self, problem: str, *, lacks: Feature | None = None) -> None:
        self.lacks = lacks
        super().__init__(problem)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with all fields: the error crosses process boundaries."""
        return _render_error, (str(self), self.lacks)


def _render_error(problem: str, lacks: Feature | None) -> RenderError:
    return RenderError(problem, lacks=lacks)


class EngineError(PostTrainingError, RuntimeError):
    """No engine, or an engine that cannot do what was asked."""


class CheckpointError(PostTrainingError, RuntimeError):
    """A checkpoint that is missing or does not fit."""


class RunDirectoryError(PostTrainingError, RuntimeError):
    """A run directory that is taken, missing or damaged."""
