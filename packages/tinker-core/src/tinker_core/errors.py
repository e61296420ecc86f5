"""Everything that our packages raise on purpose.

PostTrainingError
├── ConfigError (ValueError)        a setting that cannot be used
│   └── TokenizerError              a model whose tokenizer is nowhere to be found
├── DataError (ValueError)          a row, message or datum that cannot be used; knows its place
├── RenderError (ValueError)        a conversation that a renderer cannot express
├── EngineError (RuntimeError)      no engine, or an engine that cannot do what was asked
├── CheckpointError (RuntimeError)  a checkpoint that is not there or does not fit
└── RunDirectoryError (RuntimeError) a run directory that is taken, missing or damaged
"""

from __future__ import annotations

from os import PathLike


class PostTrainingError(Exception):
    """The root: `except PostTrainingError` catches whatever our packages raise on purpose."""


class ConfigError(PostTrainingError, ValueError):
    """A setting that cannot be used."""


class TokenizerError(ConfigError):
    """A model whose tokenizer is nowhere to be found."""


class DataError(PostTrainingError, ValueError):
    """Data that cannot be used, and where it is: `file:row: field: what is wrong`.

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
        """The same problem with its place filled in where it was not known yet."""
        return DataError(
            self.problem,
            file=self.file if self.file is not None else file,
            row=self.row if self.row is not None else row,
            field=self.field,
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way back from a worker process."""
        return _data_error, (self.problem, self.file, self.row, self.field)


def _data_error(problem: str, file: str | None, row: int | None, field: str | None) -> DataError:
    return DataError(problem, file=file, row=row, field=field)


class RenderError(PostTrainingError, ValueError):
    """A conversation that a renderer cannot express."""


class EngineError(PostTrainingError, RuntimeError):
    """No engine, or an engine that cannot do what was asked."""


class CheckpointError(PostTrainingError, RuntimeError):
    """A checkpoint that is not there or does not fit."""


class RunDirectoryError(PostTrainingError, RuntimeError):
    """A run directory that is taken, missing or damaged."""
