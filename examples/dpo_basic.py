"""Direct preference optimisation of a small model, measured before and after.

The algorithm is DPO (Rafailov et al. 2023, arXiv:2305.18290) with LoRA on every linear layer; the
reference is the model before the first step. The pairs are answers to one-digit sums: a cheerful
answer, "7!", is better than a plain one, "7". A fifth of the questions is held out. The script also
measures what training must not lose: the right numbers.

It runs on the engine that `tinker_train.connect` finds: the hosted service, a server of your own,
or, with neither configured, the local engine, which is started here and needs no key.

    python dpo_basic.py                      a test model, half a minute on two cores
    python dpo_basic.py --objective ipo      another loss
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from datetime import datetime
from pathlib import Path
from typing import Literal

import tinker
import tyro
from attrs import field, frozen

from tinker_core import PostTrainingError
from tinker_data import Batching
from tinker_dpo import (
    Config,
    Dpo,
    Evaluation,
    Ipo,
    Objective,
    Orpo,
    PreferenceFile,
    SimPo,
    TrainResult,
    open_data,
    train_on,
)
from tinker_render import (
    Renderer,
    get_recommended_renderer_name,
    get_renderer,
    get_tokenizer,
)
from tinker_train import Adam, Engine, Every, Lora, connect, read_metrics

OBJECTIVES: dict[str, Objective] = {
    "dpo": Dpo(beta=0.1),
    "ipo": Ipo(beta=0.1),
    "simpo": SimPo(beta=2.0, margin=1.0),
    "orpo": Orpo(weight=0.5),
}


@frozen(kw_only=True)
class Basic:
    """Teach a model to answer sums cheerfully."""

    model: str = "local/tiny"
    """Name of the base model, as the engine knows it."""
    objective: Literal["dpo", "ipo", "simpo", "orpo"] = "dpo"
    """The loss."""
    epochs: int = 6
    """Passes over the 80 pairs."""
    learning_rate: float = 2e-3
    """Peak learning rate; it decays linearly to 0."""
    seed: int = 0
    """Seed of the pairs, their order and the initial LoRA weights."""
    run_dir: Path = field(factory=lambda: Path("runs") / f"dpo-{datetime.now():%Y%m%d-%H%M%S}")
    """Run directory."""


@frozen(kw_only=True)
class Scores:
    """Measurements on the held-out questions."""

    pairs: float
    """Share of pairs whose chosen response has the higher implied reward."""
    cheerful: float
    """Share of answers that end in an exclamation mark."""
    right: float
    """Share of answers with the right number."""


def write_pairs(folder: Path, seed: int) -> tuple[Path, Path]:
    """All one-digit sums, shuffled: 80 training pairs and 20 held-out pairs."""
    questions = [(a, b) for a in range(10) for b in range(10)]
    random.Random(seed).shuffle(questions)
    rows = [
        {"prompt": f"What is {a}+{b}?", "chosen": f"{a + b}!", "rejected": f"{a + b}"}
        for a, b in questions
    ]
    paths = folder / "train.jsonl", folder / "test.jsonl"
    for path, part in zip(paths, (rows[:80], rows[80:]), strict=True):
        path.write_text("".join(json.dumps(row) + "\n" for row in part))
    return paths


def config_of(settings: Basic, train: Path, test: Path) -> Config:
    """The preference run."""
    return Config(
        model=settings.model,
        data=PreferenceFile(path=train, test_path=test),
        run_dir=settings.run_dir,
        objective=OBJECTIVES[settings.objective],
        batching=Batching(batch_size=16),
        lora=Lora(rank=16),
        adam=Adam(learning_rate=settings.learning_rate),
        num_epochs=settings.epochs,
        evaluation=Evaluation(every=Every(steps=5)),
        seed=settings.seed,
    )


async def score_answers(
    sampler: tinker.SamplingClient, renderer: Renderer, path: Path
) -> tuple[float, float]:
    """Shares of the greedy answers that are cheerful and that are right."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    params = tinker.SamplingParams(
        max_tokens=8, temperature=0.0, stop=renderer.get_stop_sequences()
    )

    async def answer(question: str) -> str:
        prompt = renderer.build_generation_prompt([{"role": "user", "content": question}])
        response = await sampler.sample(prompt, 1, params)
        return renderer.parse_response(response.sequences[0].tokens).message.text

    answers = await asyncio.gather(*(answer(row["prompt"]) for row in rows))
    cheerful = sum(text.endswith("!") for text in answers)
    right = sum(
        text.rstrip("!") == row["rejected"] for text, row in zip(answers, rows, strict=True)
    )
    return cheerful / len(rows), right / len(rows)


async def before_and_after(
    engine: Engine, config: Config, test: Path
) -> tuple[Scores, Scores, TrainResult]:
    """Measure, train, and measure again."""
    renderer = get_renderer(
        get_recommended_renderer_name(config.model), get_tokenizer(config.model)
    )
    base = await engine.service.create_sampling_client(base_model=config.model)
    cheerful, right = await score_answers(base, renderer, test)
    result = await train_on(engine, config, open_data(config, renderer))
    pairs = read_metrics(result.run_dir / "metrics.jsonl")[0]["test/accuracy"]
    before = Scores(pairs=pairs, cheerful=cheerful, right=right)

    trained = await engine.service.create_sampling_client(model_path=result.sampler_path)
    cheerful, right = await score_answers(trained, renderer, test)
    after = Scores(pairs=result.metrics["test/accuracy"], cheerful=cheerful, right=right)
    return before, after, result


def main(settings: Basic) -> tuple[Scores, Scores]:
    """Run everything and print the measurements."""
    settings.run_dir.parent.mkdir(parents=True, exist_ok=True)
    data = settings.run_dir.with_name(f"{settings.run_dir.name}-data")
    data.mkdir(exist_ok=True)
    train, test = write_pairs(data, settings.seed)
    config = config_of(settings, train, test)
    with connect() as engine:
        before, after, result = asyncio.run(before_and_after(engine, config, test))
    print(f"\n{'held-out questions':28}{'before':>8}{'after':>8}")
    print(f"{'better side preferred':28}{before.pairs:8.0%}{after.pairs:8.0%}")
    print(f"{'answered cheerfully':28}{before.cheerful:8.0%}{after.cheerful:8.0%}")
    print(f"{'right number':28}{before.right:8.0%}{after.right:8.0%}")
    print(f"\n{result.step} steps, written to {result.run_dir}")
    return before, after


if __name__ == "__main__":
    try:
        main(tyro.cli(Basic))
    except PostTrainingError as error:
        sys.exit(f"dpo_basic: {error}")
