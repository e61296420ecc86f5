"""The overhead of the service: round trips, start-up, and many requests at once.

    python benchmarks/engine_service.py MODEL_FOLDER [--repeats 40]

The official SDK talks to an engine process on this machine. The overhead of a call is its median
round trip minus the median of the same work without a service, on `local/tiny`, whose compute takes
a few milliseconds. The start-up is the time from no process to the first sampled token of
MODEL_FOLDER. All times are wall-clock times, so leave the machine idle otherwise.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ["TINKER_TELEMETRY"] = "0"

import numpy as np
import tinker

from tinker_local import start_engine
from tinker_local.catalog import resolve
from tinker_local.model.load import load_model
from tinker_local.request_types import AdamParams, Datum, LoraSpec, LossRequest, SampleRequest
from tinker_local.sampling.continuous_batching import Sampler
from tinker_local.training.trainer import Trainer

RANK, ROWS, LENGTH = 8, 8, 32
TOKENS = list(range(3, 3 + LENGTH))
ONE_TOKEN = tinker.SamplingParams(max_tokens=1)


def median_ms(repeats: int, work: Callable[[], object]) -> float:
    work()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return 1000 * statistics.median(seconds)


def compute_ms(repeats: int) -> tuple[float, float]:
    """The times of a training step and of a sampled token without a service."""
    base = load_model(resolve("local/tiny"), name="local/tiny")
    trainer, sampler = Trainer(base, LoraSpec(rank=RANK)), Sampler(base)
    tokens = np.array(TOKENS)
    inputs = {"target_tokens": tokens, "weights": np.ones(LENGTH, np.float32)}
    data = (Datum(tokens=tokens, inputs=inputs),) * ROWS
    loss = LossRequest(data=data, loss_fn="cross_entropy", config={}, forward_only=False)
    request = SampleRequest(prompt=tokens, max_tokens=1)

    def step() -> None:
        trainer.loss(loss)
        trainer.optim_step(AdamParams())

    def sample() -> None:
        sampler.add(request, trainer.adapter())
        while not sampler.is_idle:
            sampler.step()

    return median_ms(repeats, step), median_ms(repeats, sample)


def served_ms(service: tinker.ServiceClient, repeats: int) -> tuple[float, float, float]:
    """The same two times through the SDK, and the seconds of 1,000 samples at once."""
    training = service.create_lora_training_client(base_model="local/tiny", rank=RANK).result()
    prompt = tinker.ModelInput.from_ints(TOKENS)
    inputs = {"target_tokens": TOKENS, "weights": [1.0] * LENGTH}
    data = [tinker.Datum(model_input=prompt, loss_fn_inputs=inputs)] * ROWS

    def step() -> None:
        loss = training.forward_backward(data, "cross_entropy")
        training.optim_step(tinker.AdamParams()).result()
        loss.result()

    step_ms = median_ms(repeats, step)
    sampling = training.save_weights_and_get_sampling_client().result()
    sample_ms = median_ms(repeats, lambda: sampling.sample(prompt, 1, ONE_TOKEN).result())
    began = time.perf_counter()
    for future in [sampling.sample(prompt, 1, ONE_TOKEN) for _ in range(1000)]:
        future.result()
    return step_ms, sample_ms, time.perf_counter() - began


def start_seconds(model: str, home: Path) -> float:
    """The time from no process to the first token."""
    began = time.perf_counter()
    with (
        start_engine(home=home) as engine,
        tinker.ServiceClient(base_url=engine.base_url, api_key=engine.api_key) as service,
    ):
        client = service.create_sampling_client(base_model=model).result()
        client.sample(tinker.ModelInput.from_ints(TOKENS), 1, ONE_TOKEN).result()
        return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="a folder")
    parser.add_argument("--repeats", type=int, default=40)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seconds = [start_seconds(options.model, Path(folder)) for _ in range(3)]
        print(f"start to first token: {min(seconds):.1f} s (each: {seconds})", flush=True)
        step, sample = compute_ms(options.repeats)
        with (
            start_engine(home=Path(folder)) as engine,
            tinker.ServiceClient(base_url=engine.base_url, api_key=engine.api_key) as service,
        ):
            served_step, served_sample, thousand = served_ms(service, options.repeats)
    print(
        f"forward_backward + optim_step: {served_step:.1f} ms, {step:.1f} of them compute: "
        f"overhead {served_step - step:.1f} ms"
    )
    print(
        f"one sample: {served_sample:.1f} ms, {sample:.1f} of them compute: "
        f"overhead {served_sample - sample:.1f} ms"
    )
    print(f"1,000 samples at once: {thousand:.1f} s")


if __name__ == "__main__":
    main()
