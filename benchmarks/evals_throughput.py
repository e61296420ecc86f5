"""What a run of `run_task` costs beside a bare batched decode of the same prompts.

    python benchmarks/evals_throughput.py [--problems 256] [--repeats 5] [--max-tokens 16]

Bare: every prompt is submitted to the sampling client at once and awaited; nothing is parsed,
graded or stored. Ours: `run_task`, which grades and stores, with 64 problems out at a time and with
256, its default. Runs are interleaved, and the median of the ratios of neighbours is printed, so
that a shared machine still gives an answer. The engine is the one that `tinker_train.connect`
finds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path

import tinker

from tinker_evals import JsonlFile, Model, Settings, Task, open_model, run_task
from tinker_evals.run.load_items import load_items
from tinker_evals.run.prompts import Prompter
from tinker_evals.run.settings import Sampling
from tinker_evals.tasks import TASKS
from tinker_train import Engine, connect


async def bare(model: Model, prompts: list[tinker.ModelInput], max_tokens: int) -> float:
    """Seconds of sampling alone."""
    params = tinker.SamplingParams(
        max_tokens=max_tokens, temperature=0.0, stop=model.renderer.get_stop_sequences()
    )
    began = time.perf_counter()
    await asyncio.gather(*(model.client.sample(prompt, 1, params) for prompt in prompts))
    return time.perf_counter() - began


async def ours(model: Model, task: Task, source: JsonlFile, settings: Settings) -> float:
    """Seconds of a whole run in a new folder."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        result = await run_task(task, model, settings, source=source, folder=Path(folder))
        seconds = time.perf_counter() - began
    assert result.complete
    return seconds


async def main(engine: Engine, arguments: argparse.Namespace) -> None:
    """Interleave, and print medians."""
    task = TASKS["sums"]
    assert isinstance(task, Task)
    sampling = Sampling(max_tokens=arguments.max_tokens)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "rows.jsonl")
        pairs = [(i // 16, i % 16) for i in range(arguments.problems)]
        file.write_text("".join(json.dumps({"a": a, "b": b}) + "\n" for a, b in pairs))
        source = JsonlFile(file)
        model = await open_model(engine.service, arguments.model)
        prompter = Prompter.of(task, model.renderer, sampling)
        prompts = [prompter.prompt(item).model_input for item in load_items(task, source)]
        bounds = (64, 256)
        await bare(model, prompts, arguments.max_tokens)
        rows = []
        for _ in range(arguments.repeats):
            row = [await bare(model, prompts, arguments.max_tokens)]
            for bound in bounds:
                settings = Settings(sampling=sampling, concurrency=bound)
                row.append(await ours(model, task, source, settings))
            rows.append(row)
    print(f"{arguments.problems} problems, {arguments.model}, {engine.description}")
    print(f"bare decode        {statistics.median(row[0] for row in rows):.3f} s")
    for i, bound in enumerate(bounds, start=1):
        seconds = statistics.median(row[i] for row in rows)
        ratio = statistics.median(row[i] / row[0] for row in rows)
        print(f"run_task, {bound:4} out  {seconds:.3f} s  {ratio:.2f} x")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="local/tiny")
    parser.add_argument("--problems", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--max-tokens", type=int, default=16)
    with connect() as found:
        asyncio.run(main(found, parser.parse_args()))
