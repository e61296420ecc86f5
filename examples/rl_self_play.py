"""Self-play: the model plays tic-tac-toe against itself and against an older snapshot.

A game against itself is a group of two episodes. The reward is 1 for a win, 0 for a draw and -1 for
a loss. Games against the snapshot of the start form groups in which the model has the same seat, so
that they can be compared. A player sees the other player's last move alone; the earlier moves are
in the conversation. A move to an occupied square loses. The test opponent chooses random free
squares and never plays in training. A few supervised steps on games of random players come first,
which teach the format.

    python rl_self_play.py                      SmolLM2, about eight minutes on two cores
    python rl_self_play.py --model local/tiny   tests the script; the model is too small to learn
    tinker-rl play rl_self_play:Games           play both sides yourself
"""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import tinker
from attrs import define, evolve, field, frozen
from warm_start import learn_scripts

from tinker_core import Message, PostTrainingError, Reply, as_conversation
from tinker_render import Renderer
from tinker_rl import (
    Config,
    EngineMessageCompleter,
    Evaluation,
    Game,
    GameGroupBuilder,
    GroupBatches,
    MessageCompleter,
    RLData,
    Sampling,
    TrainResult,
    command_line,
    new_run_dir,
    train,
)
from tinker_train import Adam, Never, read_metrics

MAX_TOKENS = 4
_LINES = [set(line) for line in ("123", "456", "789", "147", "258", "369", "159", "357")]


def free_squares(moves: Sequence[str]) -> list[str]:
    """The squares without a mark."""
    return [square for square in "123456789" if square not in moves]


@define
class TicTacToe(Game):
    """Three in a row wins. The squares are 1 to 9."""

    moves: list[str] = field(factory=list)
    winner: int | None = None
    over: bool = False

    def num_players(self) -> int:
        """Two players."""
        return 2

    def to_move(self) -> int | None:
        """The players alternate."""
        return None if self.over else len(self.moves) % 2

    def observe(self, player: int) -> list[Message]:
        """The other player's last move; earlier moves are in the conversation."""
        return [Message(role="user", content=self.moves[-1] if self.moves else "begin")]

    def play(self, player: int, message: Message) -> None:
        """Mark the square, or lose the game if it is not free."""
        if message.text not in free_squares(self.moves):
            self.forfeit(player)
            return
        self.moves.append(message.text)
        mine = set(self.moves[player::2])
        if any(line <= mine for line in _LINES):
            self.winner, self.over = player, True
        self.over = self.over or len(self.moves) == 9

    def forfeit(self, player: int) -> None:
        """The other player wins."""
        self.winner, self.over = 1 - player, True

    def rewards(self) -> Sequence[float]:
        """1 for a win, 0 for a draw, -1 for a loss."""
        if self.winner is None:
            return [0.0, 0.0]
        return [1.0 if player == self.winner else -1.0 for player in range(2)]


@frozen
class RandomPlayer:
    """Chooses a random free square."""

    seed: int

    async def __call__(
        self, messages: Sequence[Message | Mapping[str, Any]], *, seed: int | None = None
    ) -> Reply:
        """A move, which depends on the seed and on the game so far."""
        heard = as_conversation(messages)
        draw = random.Random(f"{self.seed} {[message.text for message in heard]}")
        free = free_squares([message.text for message in heard])
        return Reply(Message(role="assistant", content=draw.choice(free)))


@frozen(kw_only=True)
class Games:
    """Self-play to train on, and games against a random player to test on."""

    games: int = 16
    """Games against itself in a batch."""
    groups: int = 4
    """Groups against the older snapshot in a batch. The model moves first in half of them."""
    attempts: int = 8
    """Games in such a group."""
    batches: int = 100
    test_games: int = 128
    older_self: str | None = None
    """Sampler checkpoint (`tinker://` path) of the older snapshot; absent: self-play alone."""

    def build(self, *, renderer: Renderer, seed: int) -> RLData:
        """Self-play alone."""
        return self.data(renderer, [])

    async def build_on(
        self, service: tinker.ServiceClient, *, renderer: Renderer, seed: int
    ) -> RLData:
        """Self-play and games against the older snapshot."""
        if self.older_self is None:
            return self.build(renderer=renderer, seed=seed)
        client = await service.create_sampling_client(model_path=self.older_self)
        player = EngineMessageCompleter(
            client=client, renderer=renderer, sampling=Sampling(max_tokens=MAX_TOKENS)
        )
        return self.data(renderer, [player] * self.groups)

    def data(self, renderer: Renderer, older_selves: Sequence[MessageCompleter]) -> RLData:
        """Self-play, games against these opponents, and the test set."""
        one = GameGroupBuilder(make_game=TicTacToe, renderer=renderer, name="self-play")
        batch = [one] * self.games + [
            evolve(one, games=self.attempts, fixed={i % 2: player}, name="older-self")
            for i, player in enumerate(older_selves)
        ]
        against_chance = [
            evolve(one, fixed={i % 2: RandomPlayer(i)}, name="chance")
            for i in range(self.test_games)
        ]
        return RLData(
            train=GroupBatches(batch * self.batches, len(batch)),
            test=GroupBatches(against_chance, self.test_games),
        )


def scripted_game(draw: random.Random) -> list[dict[str, Any]]:
    """The conversation of one player in a game of two random players."""
    game, heard = TicTacToe(), [[], []]
    while (player := game.to_move()) is not None:
        (heard_move,) = game.observe(player)
        move = Message(role="assistant", content=draw.choice(free_squares(game.moves)))
        heard[player] += [
            {"role": "user", "content": heard_move.text},
            {"role": "assistant", "content": move.text},
        ]
        game.play(player, move)
    return heard[draw.randrange(2)]


def main(arguments: list[str] | None = None) -> TrainResult:
    """Train, and print the outcome."""
    default = Config(
        model="HuggingFaceTB/SmolLM2-135M-Instruct",
        data=Games(),
        run_dir=new_run_dir("self-play"),
        adam=Adam(learning_rate=4e-4),
        sampling=Sampling(max_tokens=MAX_TOKENS),
        evaluation=Evaluation(every=Never()),  # at the first step and the last alone
        max_steps=12,
    )
    config = command_line(default, arguments, __doc__)
    draw = random.Random(config.seed)
    scripts = [scripted_game(draw) for _ in range(16 * 12)]
    form = learn_scripts(config, scripts, batch_size=16, learning_rate=1e-3)
    data = evolve(config.data, older_self=form.sampler_path)
    result = train(evolve(config, data=data, start_from=form.state_path))
    rows = read_metrics(result.run_dir / "metrics.jsonl")
    score = [row["test/reward"] for row in rows if "test/reward" in row]
    print(f"mean reward against a random player: {score[0]:+.2f} before, {score[-1]:+.2f} after")
    return result


if __name__ == "__main__":
    try:
        main()
    except PostTrainingError as error:
        sys.exit(f"rl_self_play: {error}")
