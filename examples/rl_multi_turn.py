"""Several turns in an episode: guess a number by bisection.

The model guesses a number, and the environment answers with the remaining range ("6-9"), until the
number is found, the turns are used up, or a guess is outside the range. The conversation only
grows, so an episode is one training sequence. The reward is 1 for finding the number. A few
supervised steps come first, which teach the format. Their player respects the range in half of the
games.

    python rl_multi_turn.py                    a tiny test model, two minutes
    python rl_multi_turn.py --model HuggingFaceTB/SmolLM2-135M-Instruct --adam.learning-rate 4e-4
    tinker-rl play rl_multi_turn:Guesses       play it yourself
"""

from __future__ import annotations

import random
import re
import sys
from typing import Any

import numpy as np
from attrs import define, field, frozen
from warm_start import warm_start

from tinker_core import Message, PostTrainingError
from tinker_render import Renderer
from tinker_rl import (
    Completed,
    Config,
    GroupBatches,
    MaxTurns,
    MessageEnv,
    MessageStep,
    ProblemGroupBuilder,
    RLData,
    Sampling,
    StopReason,
    TrainResult,
    as_token_env,
    command_line,
    new_run_dir,
    train,
)
from tinker_train import Adam, read_metrics


def open_numbers(above: int, below: int) -> str:
    """The message to the player: the remaining range."""
    return f"{above + 1}-{below - 1}"


@define
class Guess(MessageEnv):
    """One number to find."""

    secret: int
    highest: int
    turns: int
    taken: int = 0
    above: int = 0
    """Exclusive lower bound of the number."""
    below: int = field(init=False)
    """Exclusive upper bound of the number."""

    def __attrs_post_init__(self) -> None:
        self.below = self.highest + 1

    async def initial_messages(self) -> list[Message]:
        """The whole range."""
        return [Message(role="user", content=open_numbers(self.above, self.below))]

    async def step(self, message: Message) -> MessageStep:
        """Check the guess, and narrow the range or end the episode."""
        self.taken += 1
        said = re.fullmatch(r"\s*(\d{1,4})\.?\s*", message.text)
        guess = int(said[1]) if said else 0
        if guess == self.secret:
            return self._end(1.0, Completed())
        if not self.above < guess < self.below:
            return self._end(0.0, Completed())
        if self.taken == self.turns:
            return self._end(0.0, MaxTurns(self.turns))
        if guess < self.secret:
            self.above = guess
        else:
            self.below = guess
        told = Message(role="user", content=open_numbers(self.above, self.below))
        return MessageStep(episode_done=False, messages=[told])

    def _end(self, reward: float, stop: StopReason) -> MessageStep:
        return MessageStep(reward=reward, episode_done=True, stop=stop, metrics={"found": reward})


@frozen(kw_only=True)
class Guesses:
    """Numbers to find, drawn by the seed."""

    highest: int = 9
    turns: int = 4
    attempts: int = 8
    """Attempts at each number."""
    batches: int = 200

    def build(self, *, renderer: Renderer, seed: int) -> RLData:
        """A group for each number."""
        draw = np.random.default_rng(seed)
        numbers = range(1, self.highest + 1)  # a batch has each of them once
        secrets = [n for _ in range(self.batches) for n in draw.permutation(numbers).tolist()]

        def group(secret: int) -> ProblemGroupBuilder:
            return ProblemGroupBuilder(
                env_thunk=lambda: as_token_env(Guess(secret, self.highest, self.turns), renderer),
                num_envs=self.attempts,
                dataset_name="guess",
            )

        return RLData(train=GroupBatches([group(secret) for secret in secrets], self.highest))


def scripted_game(draw: random.Random, data: Guesses) -> list[dict[str, Any]]:
    """A game with random guesses. In half of the games they respect the range."""
    secret, respects = draw.randint(1, data.highest), draw.random() < 0.5
    above, below = 0, data.highest + 1
    game = [{"role": "user", "content": open_numbers(above, below)}]
    while True:
        guess = draw.randint(above + 1, below - 1) if respects else draw.randint(1, data.highest)
        game.append({"role": "assistant", "content": str(guess)})
        if guess == secret or not above < guess < below or len(game) == 2 * data.turns:
            return game
        above, below = (guess, below) if guess < secret else (above, guess)
        game.append({"role": "user", "content": open_numbers(above, below)})


def main(arguments: list[str] | None = None) -> TrainResult:
    """Train, and print the outcome."""
    default = Config(
        model="local/tiny",
        data=Guesses(),
        run_dir=new_run_dir("guess"),
        adam=Adam(learning_rate=2e-3),
        sampling=Sampling(max_tokens=8),
        max_steps=60,
    )
    config = command_line(default, arguments, __doc__)
    draw = random.Random(config.seed)
    scripts = [scripted_game(draw, config.data) for _ in range(32 * 40)]
    result = train(warm_start(config, scripts))
    rows = read_metrics(result.run_dir / "metrics.jsonl")
    found = [row["env/guess/found"] for row in rows if "env/guess/found" in row]
    print(f"found {found[0]:.0%} in the first batch, {found[-1]:.0%} in the last: {result.run_dir}")
    return result


if __name__ == "__main__":
    try:
        main()
    except PostTrainingError as error:
        sys.exit(f"rl_multi_turn: {error}")
