"""Fine-tune a small chat model to turn an order into a JSON record, measured before and after.

The algorithm is supervised fine-tuning: LoRA on every linear layer, cross-entropy on the replies.
It runs on the engine that `tinker_train.connect` finds: the hosted service, a server of your own,
or, with neither configured, the local engine, which is started here and needs no key.

    python quickstart.py                        SmolLM2-135M-Instruct, some minutes on two cores
    python quickstart.py --model local/tiny     a test model, seconds
"""

from __future__ import annotations

import asyncio
import shlex
import sys
import time
from datetime import datetime
from pathlib import Path

import tinker
import tyro
from attrs import field, frozen
from rich.console import Console
from rich.table import Table
from score import Score, score

from tinker_core import Message, PostTrainingError
from tinker_data import Batching, ConversationFile, Rendering, open_jsonl, read_conversation
from tinker_render import Renderer
from tinker_sl import (
    Checkpoints,
    Config,
    Evaluation,
    Sampling,
    TrainResult,
    answer,
    renderer_for,
    train_on,
)
from tinker_train import Adam, Engine, Every, Lora, connect, read_metrics

DATA = Path(__file__).parent / "data"


@frozen(kw_only=True)
class Quickstart:
    """Fine-tune a chat model on orders to a café."""

    model: str = "HuggingFaceTB/SmolLM2-135M-Instruct"
    """Name of the base model, as the engine knows it."""
    steps: int = 24
    """Optimizer steps of 16 conversations each."""
    learning_rate: float = 1e-3
    """Peak learning rate; it decays linearly to 0."""
    seed: int = 0
    """Seed of the data order and of the initial LoRA weights."""
    run_dir: Path = field(
        factory=lambda: Path("runs") / f"quickstart-{datetime.now():%Y%m%d-%H%M%S}"
    )
    """Run directory."""


def config_of(settings: Quickstart) -> Config:
    """The supervised run."""
    return Config(
        model=settings.model,
        data=ConversationFile(
            path=DATA / "train.jsonl",
            test_path=DATA / "test.jsonl",
            batching=Batching(batch_size=16),
            rendering=Rendering(max_length=256, too_long="drop"),
        ),
        run_dir=settings.run_dir,
        lora=Lora(rank=16),
        adam=Adam(learning_rate=settings.learning_rate),
        num_epochs=100,
        max_steps=settings.steps,
        checkpoints=Checkpoints(every=Every(steps=10)),
        evaluation=Evaluation(every=Every(steps=10)),
        seed=settings.seed,
    )


async def answers(
    sampler: tinker.SamplingClient, renderer: Renderer, orders: list[tuple[Message, ...]]
) -> list[str]:
    """The model's reply to each order; all are submitted at once, and the engine batches them."""
    sampling = Sampling(max_tokens=64)
    replies = [answer(sampler, renderer, order[:-1], sampling) for order in orders]
    return [outcome.message.text for outcome in await asyncio.gather(*replies)]


async def before_and_after(
    engine: Engine, config: Config, renderer: Renderer, console: Console
) -> tuple[TrainResult, list[str], list[str]]:
    """Sample, train, and sample again."""
    data = config.data.build(renderer=renderer, seed=config.seed)
    service = engine.service
    orders = held_out()
    console.print(f"Sampling replies of the base model to {len(orders)} held-out orders ...")
    base = await service.create_sampling_client(base_model=config.model)
    before = await answers(base, renderer, orders)
    result = await train_on(engine, config, data)
    console.print("Sampling replies of the trained model to the same orders ...")
    trained = await service.create_sampling_client(model_path=result.sampler_path)
    return result, before, await answers(trained, renderer, orders)


def held_out() -> list[tuple[Message, ...]]:
    """The held-out conversations; the last message of each is the right answer."""
    rows = open_jsonl(DATA / "test.jsonl")
    return [read_conversation(rows[i]).messages for i in range(len(rows))]


def report(console: Console, before: list[str], after: list[str]) -> None:
    """Print three orders with the replies before and after, and the scores."""
    orders = held_out()
    expected = [order[-1].text for order in orders]
    table = Table("order (held out)", "before", "after", show_lines=True)
    for i in range(3):
        table.add_row(orders[i][-2].text, before[i], after[i])
    console.print(table)
    for label, given in (("before", before), ("after", after)):
        result: Score = score(given, expected)
        console.print(
            f"{label:>6}: {result.exact:6.1%} of the records exactly right, "
            f"{result.fields:6.1%} of their fields"
        )


def main() -> None:
    """Run everything, and print what to do next."""
    settings = tyro.cli(Quickstart, description=__doc__)
    console = Console()
    began = time.monotonic()
    config = config_of(settings)
    try:
        with connect() as engine:
            renderer = renderer_for(config.model)
            result, before, after = asyncio.run(before_and_after(engine, config, renderer, console))
    except PostTrainingError as error:
        sys.exit(f"quickstart: {error}")

    report(console, before, after)
    rows = [row for row in read_metrics(result.run_dir / "metrics.jsonl") if "test/nll" in row]
    first, last = rows[0]["test/nll"], rows[-1]["test/nll"]
    console.print(f"held-out NLL per token: {first:.3f} before, {last:.3f} after")
    console.print(f"{time.monotonic() - began:.0f} s in total; run directory: {result.run_dir}")
    system, user, _ = held_out()[2]
    command = Path(sys.executable).parent / "tinker-sl"
    console.print("sample a reply of the new model:", style="bold")
    console.print(
        f"  {command} sample {result.run_dir} {shlex.quote(user.text)}"
        f" --system {shlex.quote(system.text)}",
        soft_wrap=True,
    )


if __name__ == "__main__":
    main()
