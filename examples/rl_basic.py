"""A first run of reinforcement learning: one-digit sums.

Each group has several attempts at one sum. The reward is 1 for the right number and 0 for a wrong
one. A fifth of the sums is held out. The script runs on the engine that `tinker_train.connect`
finds: the hosted service, your own server, or, with neither configured, the local engine, which it
starts without a key.

    python rl_basic.py                                  a tiny test model, one or two minutes
    python rl_basic.py --update.num-substeps 4 update.loss:ppo
    python rl_basic.py --model HuggingFaceTB/SmolLM2-135M-Instruct --data.worked-example True \
        --data.attempts 8 --data.problems 8 --max-steps 20 --sampling.max-tokens 4 \
        --adam.learning-rate 6e-4       a real model, about five minutes; 10 % right before
"""

from __future__ import annotations

import sys

import numpy as np
from attrs import frozen

from tinker_core import Message, PostTrainingError
from tinker_render import Renderer
from tinker_rl import (
    Config,
    EnvGroupBuilder,
    Evaluation,
    GroupBatches,
    ProblemEnv,
    ProblemGroupBuilder,
    RLData,
    Sampling,
    TrainResult,
    command_line,
    new_run_dir,
    train,
)
from tinker_rl.envs.message_env import Messages
from tinker_train import Adam, Never, read_metrics

WORKED_EXAMPLE = (
    Message(role="system", content="Add."),
    Message(role="user", content="What is 5+3?"),
    Message(role="assistant", content="8"),
)


class Sum(ProblemEnv):
    """The problem a + b."""

    def __init__(self, renderer: Renderer, a: int, b: int, prefix: Messages = ()) -> None:
        super().__init__(renderer, prefix, format_coefficient=0.1)
        self.a, self.b = a, b

    def get_question(self) -> str:
        return f"What is {self.a}+{self.b}?"

    def check_answer(self, answer: str) -> bool:
        return answer.rstrip(".").split(" ")[-1] == self.get_reference_answer()

    def check_format(self, answer: str) -> bool:
        return answer.rstrip(".")[-1:].isdigit()

    def get_reference_answer(self) -> str:
        return str(self.a + self.b)


@frozen(kw_only=True)
class Sums:
    """All one-digit sums in an order drawn by the seed. 20 of them are held out."""

    attempts: int = 16
    problems: int = 16
    """Problems in a batch."""
    worked_example: bool = False
    """Put a sum and its answer before each question, so that the model answers without a text."""

    def build(self, *, renderer: Renderer, seed: int) -> RLData:
        """80 training problems and 20 test problems."""
        order = np.random.default_rng(seed).permutation(100).tolist()
        return RLData(
            train=GroupBatches(
                [self.group(renderer, n, self.attempts) for n in order[20:]], self.problems
            ),
            test=GroupBatches([self.group(renderer, n, 8) for n in order[:20]], 20),
        )

    def group(self, renderer: Renderer, n: int, size: int) -> EnvGroupBuilder:
        """Attempts at the n-th sum."""
        prefix = WORKED_EXAMPLE if self.worked_example else ()
        return ProblemGroupBuilder(
            env_thunk=lambda: Sum(renderer, n // 10, n % 10, prefix),
            num_envs=size,
            dataset_name="sums",
        )


def main(arguments: list[str] | None = None) -> TrainResult:
    """Train, and print the outcome."""
    default = Config(
        model="local/tiny",
        data=Sums(),
        run_dir=new_run_dir("sums"),
        adam=Adam(learning_rate=2e-3),
        sampling=Sampling(max_tokens=5),
        evaluation=Evaluation(every=Never()),
        num_epochs=1000,
        max_steps=40,
    )
    result = train(command_line(default, arguments, __doc__))
    rows = read_metrics(result.run_dir / "metrics.jsonl")
    right = [row["test/env/all/correct"] for row in rows if "test/env/all/correct" in row]
    print(f"held-out sums right: {right[0]:.0%} before, {right[-1]:.0%} after")
    print(f"transcripts: {result.run_dir}/logtree")
    return result


if __name__ == "__main__":
    try:
        main()
    except PostTrainingError as error:
        sys.exit(f"rl_basic: {error}")
