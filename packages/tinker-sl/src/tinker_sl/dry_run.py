"""The dry run: print an example, sizes, number of steps and time before a run."""

from __future__ import annotations

import time

import numpy as np
import tinker
from rich.console import Console
from rich.text import Text

from tinker_data import Batch, DataReport, SupervisedData, normalise_weights
from tinker_render import Renderer, renderer_for
from tinker_sl.config import Config
from tinker_sl.loop import run_length
from tinker_sl.metrics import num_tokens
from tinker_train import (
    Engine,
    create_training_client,
    datum_weights,
    engine_errors,
    run_on_engine,
    tokenizer_errors,
    with_trained_renderer,
)


async def time_per_step(service: tinker.ServiceClient, config: Config, batch: Batch) -> float:
    """Seconds of the second forward_backward of a batch; no optimizer step is made."""
    training = await create_training_client(service, config.model, config.lora, seed=config.seed)
    datums = normalise_weights(batch.datums, config.normalisation)
    seconds = 0.0
    for _ in range(2):  # the first pass warms up
        began = time.monotonic()
        with engine_errors("forward_backward of the first batch"):
            await training.forward_backward(datums, "cross_entropy")
        seconds = time.monotonic() - began
    return seconds


def show_example(datum: tinker.Datum, renderer: Renderer, console: Console) -> None:
    """Print the tokens of a datum as text; trained tokens are green."""
    inputs = datum.model_input.to_ints()
    targets = np.asarray(datum.loss_fn_inputs["target_tokens"].to_numpy())
    text = Text(str(renderer.tokenizer.decode(inputs[:1])), style="dim")
    for token, weight in zip(targets.tolist(), datum_weights(datum), strict=True):
        style = "bold green" if weight > 0 else "dim"
        text.append(str(renderer.tokenizer.decode([token])), style=style)
    console.print(text)


def describe(
    config: Config, data: SupervisedData, renderer: Renderer, batch: Batch, console: Console
) -> int | None:
    """Print everything that needs no engine; returns the number of steps, None if unknown."""
    show_example(batch.datums[0], renderer, console)
    console.print()
    for report in data.reports:
        print_report(report, renderer, console)
    if not data.reports:
        console.print("data         not checked: rows are checked as they are read")
    tokens = num_tokens(batch.datums)
    trained = sum(int(np.count_nonzero(datum_weights(datum))) for datum in batch.datums)
    longest = max(datum.model_input.length for datum in batch.datums)
    steps = run_length(config, data)
    lost = "".join(f", {name} {count}" for name, count in batch.counts.items())
    console.print(f"renderer     {renderer.name}")
    console.print(
        f"first batch  {len(batch.datums)} datums, {tokens} tokens, {trained} of them trained on, "
        f"longest {longest}{lost}"
    )
    console.print(f"held out     {len(data.test)} datums, {num_tokens(data.test)} tokens")
    known = "unknown: the data is a stream" if steps is None else f"{steps}"
    console.print(f"steps        {known}")
    if steps is not None:
        console.print(f"tokens       about {steps * tokens}, if all batches are like the first")
    return steps


def print_report(report: DataReport, renderer: Renderer, console: Console) -> None:
    """Print what the check of a source found."""
    place = f"row {report.longest_at.row} of {report.longest_at.file}"
    console.print(f"data         {report.name}: {report.num_rows} rows")
    console.print(f"  longest    {report.longest} tokens, {place}")
    if renderer.context_length is not None:
        over = f"{report.num_over_context} rows are longer"
        console.print(f"  context    {renderer.context_length} tokens; {over}")
    if report.num_too_long:
        lost = f"{report.num_truncated} datums are cut, {report.num_dropped} dropped"
        console.print(f"  too long   {report.num_too_long} rows over {report.limit} tokens; {lost}")
    if report.num_reasoning_stripped:
        console.print(f"  reasoning  is removed from {report.num_reasoning_stripped} rows")
    if report.num_unusable:
        console.print(f"  skipped    {report.num_unusable} rows")
        for reason, count in report.reasons.items():
            console.print(f"    {count} x {reason}")
        console.print(f"    the first: {report.problems[0]}")


def estimate(config: Config, batch: Batch, steps: int | None, console: Console) -> None:
    """Print how long the steps take on a local engine, which is started for it."""

    async def measure(engine: Engine) -> float | None:
        if engine.kind == "local":
            return await time_per_step(engine.service, config, batch)
        console.print(f"time         not measured: {engine.description}")
        return None

    seconds = run_on_engine(measure, instead="`time_per_step`")
    if seconds is None:
        return
    whole = "" if steps is None else f", so about {steps * seconds / 60:.1f} minutes in all"
    console.print(f"time         {seconds:.2f} s a step on this machine{whole}")


def dry_run(config: Config, console: Console | None = None) -> None:
    """Print what the run would do. Nothing is written, and only a local engine is timed."""
    out = console or Console(soft_wrap=True, highlight=False)
    if config.start_from is not None:
        config = run_on_engine(
            lambda engine: with_trained_renderer(engine.service, config),
            instead="`with_trained_renderer`",
        )
    with tokenizer_errors(config.model):
        renderer = renderer_for(config.model, config.renderer)
    data = config.data.build(renderer=renderer, seed=config.seed)
    batch = next(iter(data.train.batches()))
    steps = describe(config, data, renderer, batch, out)
    estimate(config, batch, steps, out)
