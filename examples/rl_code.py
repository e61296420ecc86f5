"""Programs as answers, with unit tests as the reward.

The program runs in `tinker_evals.Sandbox`, and its tests in another process, so that a program
cannot read or change them. On Linux with user namespaces it sees no other process, no network and
none of your files; elsewhere it runs with limits only, and a warning says so.

    python rl_code.py                           tests the script; the model is too small to learn
    python rl_code.py --model Qwen/Qwen3-8B --sampling.max-tokens 512 --max-steps 50
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

from attrs import define, frozen

from tinker_core import Message, PostTrainingError
from tinker_evals import Limits, Sandbox
from tinker_render import Renderer
from tinker_rl import (
    Config,
    GroupBatches,
    MessageEnv,
    MessageStep,
    ProblemGroupBuilder,
    RLData,
    Sampling,
    TrainResult,
    as_token_env,
    command_line,
    new_run_dir,
    train,
)
from tinker_train import Adam

PROBLEMS = [
    ("double", "returns twice its argument", ["double(3) == 6", "double(-1) == -2"]),
    ("first", "returns the first item of a list", ["first([4, 5]) == 4", "first('ab') == 'a'"]),
    ("is_even", "tells whether a number is even", ["is_even(2)", "not is_even(3)"]),
    ("add", "returns the sum of two numbers", ["add(1, 2) == 3", "add(-1, 1) == 0"]),
]


SANDBOX = Sandbox(limits=Limits(seconds=4, memory_mb=256, file_mb=1))


@define
class Program(MessageEnv):
    """One function to write."""

    name: str
    purpose: str
    tests: Sequence[str]

    async def initial_messages(self) -> list[Message]:
        """The task."""
        asked = (
            f"Write a Python function `{self.name}` that {self.purpose}. Answer with code alone."
        )
        return [Message(role="user", content=asked)]

    async def step(self, message: Message) -> MessageStep:
        """The fraction of tests that pass."""
        fenced = re.search(r"```(?:python)?\n(.*?)```", message.text, re.DOTALL)
        code = fenced[1] if fenced else message.text
        passed = 0
        for test in self.tests:
            passed += (await SANDBOX.test(code, f"assert {test}")).passed
        fraction = passed / len(self.tests)
        metrics = {"passed": fraction, "defines_it": float(f"def {self.name}" in code)}
        return MessageStep(
            reward=fraction + 0.1 * metrics["defines_it"],
            episode_done=True,
            metrics=metrics,
            logs={"code": code},
        )


@frozen(kw_only=True)
class Programs:
    """The problems above, in every batch."""

    attempts: int = 8
    batches: int = 50

    def build(self, *, renderer: Renderer, seed: int) -> RLData:
        """A group for each problem."""

        def group(name: str, purpose: str, tests: Sequence[str]) -> ProblemGroupBuilder:
            return ProblemGroupBuilder(
                env_thunk=lambda: as_token_env(Program(name, purpose, tests), renderer),
                num_envs=self.attempts,
                dataset_name="code",
            )

        groups = [group(*problem) for problem in PROBLEMS]
        return RLData(train=GroupBatches(groups * self.batches, len(groups)))


def main(arguments: list[str] | None = None) -> TrainResult:
    """Train, and print the outcome."""
    default = Config(
        model="local/tiny",
        data=Programs(attempts=4),
        run_dir=new_run_dir("code"),
        adam=Adam(learning_rate=4e-4),
        sampling=Sampling(max_tokens=16),
        max_steps=2,
    )
    result = train(command_line(default, arguments, __doc__))
    print(f"{result.metrics['env/code/passed']:.0%} of the tests passed in the last batch")
    return result


if __name__ == "__main__":
    try:
        main()
    except PostTrainingError as error:
        sys.exit(f"rl_code: {error}")
