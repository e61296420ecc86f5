"""Log-probabilities under the frozen reference: computed once, stored in the run directory.

A training client of its own, which never takes a step, computes them before the first step. A
resumed run reads them back, so its reference is the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import tinker
from attrs import frozen
from tinker import types

from tinker_core import EngineError, RunDirectoryError
from tinker_dpo.custom_loss import References, sequence_logprobs
from tinker_dpo.data.rendering import RenderedResponse
from tinker_train import StopRequest, engine_errors
from tinker_train.files import append_row, keep_rows, read_rows

FILE_NAME = "reference.jsonl"
_AHEAD = 2  # batches in flight, so that the engine never waits for the client


@frozen
class ReferenceFile:
    """The sum of log-probabilities of each response, by its key; one line per batch."""

    path: Path

    def read(self) -> dict[str, float]:
        """All values; a last line that a kill tore is removed.

        Raises RunDirectoryError for a line with anything else.
        """
        keep_rows(self.path, lambda _: True)
        values: dict[str, float] = {}
        for number, row in enumerate(read_rows(self.path), start=1):
            if not all(isinstance(value, float) and math.isfinite(value) for value in row.values()):
                raise RunDirectoryError(f"{self.path}:{number}: not log-probabilities")
            values.update(row)
        return values

    def add(self, values: References) -> None:
        """Append a line and flush it to disk."""
        append_row(self.path, values)


def missing(
    batches: Iterator[Sequence[RenderedResponse]], known: References
) -> Iterator[list[RenderedResponse]]:
    """The responses of each batch that have no value yet, each response once."""
    seen = set(known)
    for batch in batches:
        new = {response.key: response for response in batch if response.key not in seen}
        seen.update(new)
        if new:
            yield list(new.values())


async def compute_references(
    model: tinker.TrainingClient,
    batches: Iterator[list[RenderedResponse]],
    file: ReferenceFile,
    stop: StopRequest,
) -> dict[str, float]:
    """Forward the batches through the model and store the log-probabilities in the file.

    A stop request ends it early. Raises EngineError.
    """
    values: dict[str, float] = {}
    in_flight: list[tuple[list[RenderedResponse], tinker.APIFuture[types.ForwardBackwardOutput]]]
    in_flight = []
    while not stop.is_made:
        while len(in_flight) < _AHEAD and (batch := next(batches, None)) is not None:
            datums = [response.datum for response in batch]
            in_flight.append((batch, model.forward(datums, "cross_entropy")))
        if not in_flight:
            break
        batch, forward = in_flight.pop(0)
        with engine_errors("forward of the reference"):
            outputs = await forward
        keys = [response.key for response in batch]
        new = dict(zip(keys, sequence_logprobs(batch, outputs), strict=True))
        if not all(map(math.isfinite, new.values())):
            raise EngineError("the log-probability of a response under the reference is not finite")
        file.add(new)
        values.update(new)
    return values
