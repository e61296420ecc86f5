"""The time of a training step beside busy processes, with the engine's thread settings and torch's.

    python benchmarks/engine_neighbours.py MODEL_FOLDER [--neighbours 1] [--repeats 10]

The engine's trainer takes the same steps with the engine's settings, and with torch's defaults,
whose threads spin while they wait. Each is timed alone and beside processes that never sleep. One
such process takes half of two cores, so that a step may take twice as long.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from tinker_local.cli.machine import THREADING, cores

CONTEXT = multiprocessing.get_context("spawn")  # torch reads the environment when it is imported


def spin() -> None:
    while True:
        pass


@contextmanager
def neighbours(count: int):
    processes = [CONTEXT.Process(target=spin, daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    time.sleep(1 if count else 0)  # until they spin
    yield
    for process in processes:
        process.kill()


def steps(folder: Path, environment: dict[str, str], told: Connection) -> None:
    """Answer every message with the seconds of a step."""
    os.environ.update(environment)
    import torch

    from tinker_local.model.load import load_model
    from tinker_local.request_types import AdamParams, Datum, LoraSpec, LossRequest
    from tinker_local.training.trainer import Trainer

    torch.set_num_threads(cores())
    base = load_model(folder, name=str(folder))
    trainer = Trainer(base, LoraSpec(rank=16))
    tokens = np.random.default_rng(0).integers(0, base.vocab_size, 129)
    inputs = {"target_tokens": tokens[1:], "weights": np.ones(128, np.float32)}
    data = (Datum(tokens=tokens[:-1], inputs=inputs),) * 4
    request = LossRequest(data=data, loss_fn="cross_entropy", config={}, forward_only=False)
    while told.recv():
        began = time.perf_counter()
        trainer.loss(request)
        trainer.optim_step(AdamParams(learning_rate=1e-5))
        told.send(time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--neighbours", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args()
    for name, environment in {"the engine's settings": THREADING, "torch's defaults": {}}.items():
        here, there = CONTEXT.Pipe()
        child = CONTEXT.Process(target=steps, args=(options.model, environment, there))
        child.start()
        medians = []
        for count in (0, options.neighbours):
            with neighbours(count):
                seconds = []
                for _ in range(options.repeats + 1):
                    here.send(True)
                    seconds.append(here.recv())
            medians.append(statistics.median(seconds[1:]))
        here.send(False)
        child.join()
        alone, beside = medians
        print(
            f"{name:22} alone {alone:.2f} s a step, beside {options.neighbours} busy "
            f"{beside:.2f} s: {beside / alone:.2f}x",
            flush=True,
        )


if __name__ == "__main__":
    main()
