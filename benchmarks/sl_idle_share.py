"""How long does the engine wait for the loop? A simulated engine of 200 ms a call tells.

The engine takes one call after the other, as a real one does, and notes how long it had none. With
`submit_ahead=1` that must be under 2 %.

    python idle_share.py [milliseconds a call] [steps]
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import tinker
from tinker import types

from tinker_core import next_token_datum
from tinker_data import BatchedRows, Batching, RenderedRow, SupervisedData
from tinker_render import Renderer
from tinker_sl import Checkpoints, Config, Evaluation, supervised_loop
from tinker_train import Constant, Every, Never, Run
from tinker_train.metrics.sink import JsonlSink, MetricSinks
from tinker_train.run.directory import RunDirectory

DATUM = next_token_datum(list(range(512)), weights=[0] * 256 + [1] * 256)


class Busy:
    """An engine that takes a fixed time for each call and counts the time between."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.worker = seconds, ThreadPoolExecutor(1)
        self.idle, self.free_since, self.began = 0.0, 0.0, 0.0

    def call(self, value: Callable[[], Any]) -> Any:
        future: Future[Any] = self.worker.submit(self._work, value)
        return asyncio.wrap_future(future)

    def _work(self, value: Callable[[], Any]) -> Any:
        now = time.perf_counter()
        if self.free_since:
            self.idle += now - self.free_since
        else:
            self.began = now
        time.sleep(self.seconds)
        self.free_since = time.perf_counter()
        return value()

    def forward_backward(self, data: list[tinker.Datum], *_: Any) -> Any:
        lengths = [datum.model_input.length for datum in data]
        logprobs = [tinker.TensorData.from_numpy(np.zeros(n, dtype=np.float32)) for n in lengths]
        outputs = [{"logprobs": row} for row in logprobs]
        return self.call(
            lambda: types.ForwardBackwardOutput(
                loss_fn_output_type="ArrayRecord", loss_fn_outputs=outputs, metrics={}
            )
        )

    def optim_step(self, _: Any) -> Any:
        return self.call(lambda: types.OptimStepResponse(metrics={}))

    def save_state(self, name: str, **_: Any) -> Any:
        return self.call(lambda: types.SaveWeightsResponse(path=f"tinker://x/weights/{name}"))

    def save_weights_for_sampler(self, name: str, **_: Any) -> Any:
        path = f"tinker://x/sampler_weights/{name}"
        return self.call(lambda: types.SaveWeightsForSamplerResponse(path=path))


class NoData:
    """A config needs a builder; the loop is given its data."""

    def build(self, *, renderer: Renderer, seed: int) -> SupervisedData:
        raise AssertionError


def idle_share(milliseconds: float, steps: int, submit_ahead: int) -> float:
    """The share of the time between first and last call in which the engine had nothing to do."""
    with tempfile.TemporaryDirectory() as folder:
        directory = RunDirectory(Path(folder))
        run = Run(directory=directory, sinks=MetricSinks((JsonlSink(directory.metrics_file),)))
        config = Config(
            model="simulated",
            data=NoData(),
            run_dir=Path(folder),
            schedule=Constant(),
            num_epochs=10**6,
            max_steps=steps,
            evaluation=Evaluation(every=Never()),
            checkpoints=Checkpoints(every=Every(steps=5)),
            submit_ahead=submit_ahead,
        )
        rows = BatchedRows(
            rows=range(32),
            render=lambda _: RenderedRow(datums=(DATUM,)),
            batching=Batching(batch_size=32),
        )
        engine = Busy(milliseconds / 1000)
        asyncio.run(supervised_loop(config, engine, SupervisedData(train=rows), run))  # type: ignore[arg-type]  # a double
        return engine.idle / (engine.free_since - engine.began)


def main(milliseconds: float, steps: int) -> None:
    """Measure with and without submitting ahead."""
    for ahead in (0, 1, 2):
        share = idle_share(milliseconds, steps, ahead)
        print(f"submit_ahead={ahead}: the engine waited {share:.2%} of the time")


if __name__ == "__main__":
    given = [float(argument) for argument in sys.argv[1:]]
    main(given[0] if given else 200.0, int(given[1]) if len(given) > 1 else 30)
