"""A task of one's own, and two models compared problem by problem.

The task is sums, the models are `local/tiny` and `local/tiny` after a little training; the
comparison says by how much the second is better, and whether that could be luck. It runs on the
engine that `tinker_train.connect` finds: the hosted service, a server of your own, or, with neither
configured, the local engine, which is started here and needs no key.

    python evals_custom.py --out evals/custom
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import tinker
import tyro
from attrs import evolve, frozen

from tinker_core import PostTrainingError
from tinker_evals import (
    Item,
    JsonlFile,
    Model,
    Task,
    TaskComparison,
    compare_task_runs,
    graders,
    held_out,
    open_model,
    read_task_run,
    run_task,
    write_eval_report,
)
from tinker_evals.dataset.sources import Row
from tinker_train import Engine, Lora, connect, create_training_client, submit_step


@frozen(kw_only=True)
class Arguments:
    """What the command line says."""

    model: str = "local/tiny"
    out: Path = Path("evals/custom")
    """Folder for the answers and the page that shows them."""
    steps: int = 12
    """Optimizer steps between the two."""


def read(row: Row, number: int) -> Item:
    """One sum; the sums with one first number are a cluster: they are learned together."""
    a, b = row["a"], row["b"]
    return Item(id=f"{a}+{b}", prompt=f"What is {a}+{b}?", target=str(a + b), cluster=f"{a} + ...")


def make_task(folder: Path) -> Task:
    """All sums of two digits, in a file as your own rows would be."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "sums.jsonl"
    rows = [{"a": a, "b": b} for a in range(10) for b in range(10)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Task(
        name="my_sums",
        summary="100 sums of two digits",
        source=JsonlFile(file),
        read=read,
        grader=graders.number_alone,
        max_tokens=8,
    )


async def train(engine: Engine, model: Model, base: str, steps: int) -> tinker.SamplingClient:
    """A few steps on the very sums that are asked: this is about evals, not about learning."""
    chats = [
        [
            {"role": "user", "content": f"What is {a}+{b}?"},
            {"role": "assistant", "content": str(a + b)},
        ]
        for a in range(10)
        for b in range(10)
    ]
    data = held_out(chats, model.renderer)
    training = await create_training_client(engine.service, base, Lora(rank=16), seed=0)
    adam = tinker.AdamParams(learning_rate=4e-3)
    submitted = [submit_step(training, data.datums, adam) for _ in range(steps)]
    for step in submitted:
        await step.optim
    return await training.save_weights_and_get_sampling_client()


async def ask_both(engine: Engine, task: Task, arguments: Arguments) -> None:
    """Put the task to the model, train it, and put the task to it again."""
    before = await open_model(engine.service, arguments.model)
    trained = await train(engine, before, arguments.model, arguments.steps)
    after = evolve(before, name="after training", client=trained)
    for name, model in (("before", before), ("after", after)):
        result = await run_task(task, model, folder=arguments.out / name / task.name)
        print(f"{name:7} {result.summary.headline}")


def main(arguments: Arguments) -> TaskComparison:
    """Ask both models, and compare."""
    task = make_task(arguments.out)
    with connect() as engine:
        asyncio.run(ask_both(engine, task, arguments))
    runs = [arguments.out / name for name in ("before", "after")]
    compared = compare_task_runs(*(read_task_run(run / task.name) for run in runs))
    comparison = compared.comparison
    print(f"difference {comparison.difference}, p = {comparison.p_value:.2g}")
    print(f"better on {comparison.better}, worse on {comparison.worse}")
    print(f"to look at: {write_eval_report(runs, arguments.out / 'report.html')}")
    return compared


if __name__ == "__main__":
    try:
        main(tyro.cli(Arguments, description=__doc__))
    except PostTrainingError as error:
        sys.exit(f"evals_custom: {error}")
