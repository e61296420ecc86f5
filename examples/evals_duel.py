"""A duel of two models, decided by a model that was trained to judge.

The judge learns from comparisons whose right answer a rule knows: whose sum is right. The players
are the base model and the same model after some training on sums; judge and player have never seen
the 64 sums that are asked. The rule then decides the same duel, so that one sees what the judge's
verdicts are worth. All three models lie on one engine: the one that `tinker_train.connect` finds.

    python evals_duel.py --out evals/duel       SmolLM2-135M, some minutes on two cores
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
from pathlib import Path
from typing import Any

import tinker
import tyro
from attrs import define, evolve, field, frozen
from tinker import types

from tinker_core import Comparison, PostTrainingError
from tinker_data import Batching, ConversationFile
from tinker_evals import (
    Item,
    JsonlFile,
    Model,
    TaskComparison,
    compare_task_runs,
    open_model,
    read_task_run,
    run_task,
    write_eval_report,
)
from tinker_evals.graders.judge import comparison_prompt
from tinker_evals.model.model import SamplingClient
from tinker_evals.tasks.open_questions import duel
from tinker_sl import Config, Evaluation, renderer_for, train_on
from tinker_train import Adam, Engine, Lora, Never, connect

RUBRIC = "The sum is right."
FORMS = (
    *("{n}", "{a}+{b}={n}", "{a} + {b} = {n}."),
    *("The answer is {n}.", "The sum of {a} and {b} is {n}."),
)


@frozen(kw_only=True)
class Arguments:
    """What the command line says."""

    model: str = "HuggingFaceTB/SmolLM2-135M-Instruct"
    out: Path = Path("evals/duel")
    """Folder for data, runs, answers and the page that shows them."""
    judge_steps: int = 32
    """Optimizer steps of 16 comparisons each."""
    player_steps: int = 16
    """Optimizer steps of 16 sums each."""


@frozen
class Rule:
    """A preference model that knows: the reply whose last number is the sum."""

    async def prefer(self, comparison: Comparison) -> float:
        """1 for the first, 0 for the second, 0.5 for a tie."""
        a, b = map(int, re.findall(r"\d+", comparison.prompt[-1].text))
        first = is_right(comparison.first[-1].text, a + b)
        second = is_right(comparison.second[-1].text, a + b)
        return 0.5 + 0.5 * (first - second)


@define
class Remembering:
    """A sampling client that is asked a prompt once: judge and rule decide on the same replies.

    Even greedy ones may differ from call to call, as the engine batches them with others.
    """

    client: SamplingClient
    said: dict[tuple[int, ...], types.SampleResponse] = field(factory=dict)

    async def sample(
        self, prompt: tinker.ModelInput, num_samples: int, sampling_params: tinker.SamplingParams
    ) -> types.SampleResponse:
        """What was said before, or what is said now."""
        key = tuple(prompt.to_ints())
        if key not in self.said:
            self.said[key] = await self.client.sample(prompt, num_samples, sampling_params)
        return self.said[key]


def remembering(model: Model) -> Model:
    """The model with such a client."""
    client: Any = Remembering(model.client)
    return evolve(model, client=client)


def is_right(reply: str, total: int) -> bool:
    """Whether the last number of a reply is the sum."""
    return re.findall(r"\d+", reply)[-1:] == [str(total)]


def chat(user: str, assistant: str) -> dict[str, Any]:
    """A conversation as a row of a file."""
    said = {"user": user, "assistant": assistant}
    return {"messages": [{"role": role, "content": text} for role, text in said.items()]}


def judgement(a: int, b: int, rng: random.Random) -> dict[str, Any]:
    """Two replies, right or wrong, and what a judge should say: each number first, then who won."""
    total = a + b
    wrong = [n for n in range(max(1, total - 10), total + 11) if n != total]
    verdict = rng.choice(["first", "second", "tie"])
    alike = rng.random() < 0.5
    right = {"first": (True, False), "second": (False, True), "tie": (alike, alike)}[verdict]
    numbers = [total if good else rng.choice(wrong) for good in right]
    replies = [rng.choice(FORMS).format(a=a, b=b, n=n) for n in numbers]
    item = Item(id=f"{a}+{b}", prompt=f"What is {a}+{b}?", target=str(total))
    notes = [f"{n} is right" if n == total else f"{n} is not {total}" for n in numbers]
    says = f"First: {notes[0]}. Second: {notes[1]}.\nVerdict: {verdict}"
    return chat(comparison_prompt(item, *replies, RUBRIC), says)


def write_data(folder: Path) -> None:
    """What the judge and the player learn, and the questions that neither has seen."""
    rng = random.Random(0)
    pairs = [(a, b) for a in range(1, 20) for b in range(1, 20)]
    rng.shuffle(pairs)
    seen, asked = pairs[64:], pairs[:64]
    files = {
        "judge": [judgement(*rng.choice(seen), rng) for _ in range(1500)],
        "player": [chat(f"What is {a}+{b}?", str(a + b)) for a, b in seen],
        "questions": [
            {"question_id": f"{a}+{b}", "turns": [f"What is {a}+{b}?"], "reference": [str(a + b)]}
            for a, b in asked
        ],
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in files.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text)


async def learn(engine: Engine, arguments: Arguments, name: str, steps: int) -> str:
    """Train on the file of that name; the run's folder. A run that is complete is left as it is."""
    config = Config(
        model=arguments.model,
        data=ConversationFile(
            path=arguments.out / f"{name}.jsonl", batching=Batching(batch_size=16)
        ),
        run_dir=arguments.out / name,
        lora=Lora(rank=16, train_unembed=False),
        adam=Adam(learning_rate=1e-3),
        num_epochs=100,
        max_steps=steps,
        evaluation=Evaluation(every=Never()),
    )
    data = config.data.build(renderer=renderer_for(config.model), seed=config.seed)
    await train_on(engine, config, data)
    return str(config.run_dir)


async def fight(engine: Engine, arguments: Arguments) -> None:
    """Train judge and player, then let judge and rule decide the same duel."""
    judge_run = await learn(engine, arguments, "judge", arguments.judge_steps)
    player_run = await learn(engine, arguments, "player", arguments.player_steps)
    judge = await open_model(engine.service, checkpoint=judge_run)
    base = remembering(await open_model(engine.service, arguments.model))
    player = remembering(await open_model(engine.service, checkpoint=player_run))
    questions = JsonlFile(arguments.out / "questions.jsonl")
    for name, decides in (("rule", Rule()), ("judged", judge)):
        task = duel(base, decides, RUBRIC, max_tokens=64)
        result = await run_task(task, player, source=questions, folder=arguments.out / name)
        for score, estimate in result.summary.scores.items():
            print(f"{name:7} {score:13} {estimate}")


def main(arguments: Arguments) -> TaskComparison:
    """Everything, and where judge and rule disagree."""
    write_data(arguments.out)
    with connect() as engine:
        asyncio.run(fight(engine, arguments))
    runs = [arguments.out / name for name in ("rule", "judged")]
    compared = compare_task_runs(*map(read_task_run, runs))
    n, found = compared.comparison.difference.n, compared.changed
    print(f"the judge decides {n - len(found)} of {n} duels as the rule does")
    print(f"to look at: {write_eval_report(runs, arguments.out / 'report.html')}")
    return compared


if __name__ == "__main__":
    try:
        main(tyro.cli(Arguments, description=__doc__))
    except PostTrainingError as error:
        sys.exit(f"evals_duel: {error}")
