"""Log-probabilities under the frozen reference: computed once, kept beside the run.

They are computed before the first step, by a model of its own that never takes one, and a resumed
run reads them back. So the reference stays what it was, however often the run is interrupted.
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
_AHEAD = 2  # batches on their way, so that the engine need not wait for the next one


@frozen
class ReferenceFile:
    """The sum of log-probabilities of each response, by its key; one line a batch."""

    path: Path

    def read(self) -> dict[str, float]:
        """All values; a last line torn by a kill goes.

        Raises RunDirectoryError for a line that holds anything else.
        """
        keep_rows(self.path, lambda _: True)
        values: dict[str, float] = {}
        for number, row in enumerate(read_rows(self.path), start=1):
            if not all(isinstance(value, float) and math.isfinite(value) for value in row.values()):
                raise RunDirectoryError(f"{self.path}:{number}: not log-probabilities")
            values.update(row)
        return values

    def add(self, values: References) -> None:
        """Add a line and wait until the disk has it."""
        append_row(self.path, values)


def missing(
    batches: Iterator[Sequence[RenderedResponse]], known: References
) -> Iterator[list[RenderedResponse]]:
    """What of each batch has no value yet, each response once."""
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
    """Run the batches through the model, `_AHEAD` at a time, and keep what comes back.

    `model` is frozen: nothing but forward passes is asked of it. A request to stop ends it early.
    Raises EngineError.
    """
    values: dict[str, float] = {}
    on_the_way: list[tuple[list[RenderedResponse], tinker.APIFuture[types.ForwardBackwardOutput]]]
    on_the_way = []
    while not stop.is_made:
        while len(on_the_way) < _AHEAD and (batch := next(batches, None)) is not None:
            datums = [response.datum for response in batch]
            on_the_way.append((batch, model.forward(datums, "cross_entropy")))
        if not on_the_way:
            break
        batch, forward = on_the_way.pop(0)
        with engine_errors("forward of the reference"):
            outputs = await forward
        keys = [response.key for response in batch]
        new = dict(zip(keys, sequence_logprobs(batch, outputs), strict=True))
        if not all(map(math.isfinite, new.values())):
            raise EngineError("the reference gives a response no finite log-probability")
        file.add(new)
        values.update(new)
    return values
