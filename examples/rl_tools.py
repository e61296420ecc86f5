"""Tools in an episode: sums with a calculator.

The model can call a calculator before it answers. The answer is graded at the end. Small models
have no tool format of their own, so calls are text in tags (`ToolRules(format="text")`); leave that
out for models with a native format. A few supervised steps come first, which teach the format. In
half of their episodes the calculator is called, in the others the answer is a guess.

    python rl_tools.py                          SmolLM2, five minutes on two cores
    python rl_tools.py --model local/tiny       tests the script; the model is too small to learn
    tinker-rl play rl_tools:Sums                call the tool yourself
"""

from __future__ import annotations

import itertools
import json
import random
import sys
from collections.abc import Sequence
from typing import Any

from attrs import frozen
from warm_start import warm_start

from tinker_core import Message, PostTrainingError, as_conversation
from tinker_render import Renderer
from tinker_rl import (
    Config,
    GroupBatches,
    ProblemGroupBuilder,
    RLData,
    Sampling,
    ToolEnv,
    ToolRules,
    TrainResult,
    as_token_env,
    command_line,
    new_run_dir,
    tool,
    train,
)
from tinker_rl.envs.tool_env import explain_tools
from tinker_train import Adam, read_metrics


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def question(a: int, b: int) -> list[dict[str, Any]]:
    """The conversation before the model's first turn."""
    return [{"role": "user", "content": f"What is {a}+{b}?"}]


def grade(right: str, conversation: Sequence[Message]) -> tuple[float, dict[str, float]]:
    """Reward 1 for the right number at the end."""
    last = conversation[-1]
    correct = float(not last.tool_calls and last.text.strip() == right)
    asked = any(message.role == "tool" and message.text == right for message in conversation)
    return correct, {"correct": correct, "asked": float(asked)}


@frozen(kw_only=True)
class Sums:
    """Sums of numbers with several digits, drawn by the seed."""

    digits: int = 2
    attempts: int = 6
    problems: int = 4
    """Problems in a batch."""
    batches: int = 100
    test_problems: int = 32
    """Held-out problems, with one attempt each."""

    def build(self, *, renderer: Renderer, seed: int) -> RLData:
        """A group for each sum."""
        draw = random.Random(seed)
        held_out = [self.numbers(draw) for _ in range(self.test_problems)]
        drawn = (self.numbers(draw) for _ in itertools.count())
        new = (numbers for numbers in drawn if numbers not in held_out)
        sums = list(itertools.islice(new, self.batches * self.problems))

        def group(a: int, b: int, attempts: int) -> ProblemGroupBuilder:
            def env() -> ToolEnv:
                return ToolEnv(
                    messages=question(a, b),
                    available=[add],
                    grade=lambda conversation: grade(str(a + b), conversation),
                    rules=ToolRules(max_turns=2, format="text"),
                )

            return ProblemGroupBuilder(
                env_thunk=lambda: as_token_env(env(), renderer),
                num_envs=attempts,
                dataset_name="calculator",
            )

        train = [group(a, b, self.attempts) for a, b in sums]
        test = [group(a, b, 1) for a, b in held_out]
        return RLData(train=GroupBatches(train, self.problems), test=GroupBatches(test, len(test)))

    def numbers(self, draw: random.Random) -> tuple[int, int]:
        """Two numbers to add."""
        return draw.randrange(10**self.digits), draw.randrange(10**self.digits)


def scripted_episode(draw: random.Random, data: Sums) -> list[dict[str, Any]]:
    """An episode that calls the tool or, in half of the cases, guesses."""
    a, b = data.numbers(draw)
    told = explain_tools(as_conversation(question(a, b)), [add])
    asked = [{"role": message.role, "content": message.text} for message in told]
    if draw.random() < 0.5:
        guess = sum(data.numbers(draw))
        return [*asked, {"role": "assistant", "content": str(guess)}]
    call = json.dumps({"name": "add", "arguments": {"a": a, "b": b}})
    return [
        *asked,
        {"role": "assistant", "content": f"<tool_call>{call}</tool_call>"},
        {"role": "user", "content": f"<tool_response>{a + b}</tool_response>"},
        {"role": "assistant", "content": str(a + b)},
    ]


def main(arguments: list[str] | None = None) -> TrainResult:
    """Train, and print the outcome."""
    default = Config(
        model="HuggingFaceTB/SmolLM2-135M-Instruct",
        data=Sums(),
        run_dir=new_run_dir("tools"),
        adam=Adam(learning_rate=4e-4),
        sampling=Sampling(max_tokens=48),
        max_steps=8,
    )
    config = command_line(default, arguments, __doc__)
    draw = random.Random(config.seed)
    scripts = [scripted_episode(draw, config.data) for _ in range(8 * 16)]
    result = train(warm_start(config, scripts, batch_size=8, learning_rate=1e-3))
    rows = read_metrics(result.run_dir / "metrics.jsonl")
    right = [row["test/reward"] for row in rows if "test/reward" in row]
    print(f"held-out sums right {right[0]:.0%} before, {right[-1]:.0%} after: {result.run_dir}")
    return result


if __name__ == "__main__":
    try:
        main()
    except PostTrainingError as error:
        sys.exit(f"rl_tools: {error}")
