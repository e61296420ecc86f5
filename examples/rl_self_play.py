"""Self-play: the model in training plays tic-tac-toe against itself, and against its older self.

A game against itself is a group of two episodes: the players share a table, take turns, and are
paid 1 for a win, 0 for a draw, -1 for a loss, so what one gains the other one loses. The other
games are against the model as it was at the beginning, in groups of several from one seat, which
are compared with each other. A player is told the other one's last move alone: the board is in the
conversation. A move to a square that is taken loses. Whether it learns to play is measured against
a player who draws among the free squares, whom it never meets in training. A few supervised steps
on games of such players come first: the form.

    python rl_self_play.py                      SmolLM2, about eight minutes on two cores
    python rl_self_play.py --model local/tiny   the machinery, on a model too small for it
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


def free_squares(said: Sequence[str]) -> list[str]:
    """Those that nobody named."""
    return [square for square in "123456789" if square not in said]


@define
class TicTacToe(Game):
    """Three in a row; the squares are 1 to 9."""

    moves: list[str] = field(factory=list)
    winner: int | None = None
    over: bool = False

    def num_players(self) -> int:
        """Two."""
        return 2

    def to_move(self) -> int | None:
        """In turns."""
        return None if self.over else len(self.moves) % 2

    def observe(self, player: int) -> list[Message]:
        """The other one's last move; the moves before are in the conversation."""
        return [Message(role="user", content=self.moves[-1] if self.moves else "begin")]

    def play(self, player: int, message: Message) -> None:
        """The message is a free square, or the game is lost."""
        if message.text not in free_squares(self.moves):
            self.forfeit(player)
            return
        self.moves.append(message.text)
        mine = set(self.moves[player::2])
        if any(line <= mine for line in _LINES):
            self.winner, self.over = player, True
        self.over = self.over or len(self.moves) == 9

    def forfeit(self, player: int) -> None:
        """The other one wins."""
        self.winner, self.over = 1 - player, True

    def rewards(self) -> Sequence[float]:
        """1, 0 or -1."""
        if self.winner is None:
            return [0.0, 0.0]
        return [1.0 if player == self.winner else -1.0 for player in range(2)]


@frozen
class RandomPlayer:
    """Draws among the free squares."""

    seed: int

    async def __call__(
        self, messages: Sequence[Message | Mapping[str, Any]], *, seed: int | None = None
    ) -> Reply:
        """A move; the same in the same place of the same game."""
        heard = as_conversation(messages)
        draw = random.Random(f"{self.seed} {[message.text for message in heard]}")
        free = free_squares([message.text for message in heard])
        return Reply(Message(role="assistant", content=draw.choice(free)))


@frozen(kw_only=True)
class Games:
    """Empty boards: to learn on, both sides; to test on, one side against chance."""

    games: int = 16
    """Of the model against itself, in a batch."""
    groups: int = 4
    """Against its older self, in a batch; the model has the first move in every second one."""
    attempts: int = 8
    """Games in such a group."""
    batches: int = 100
    test_games: int = 128
    older_self: str | None = None
    """Its weights, a `tinker://` path; without it, there are games against itself alone."""

    def build(self, *, renderer: Renderer, seed: int) -> RLData:
        """Games against itself alone."""
        return self.data(renderer, [])

    async def build_on(
        self, service: tinker.ServiceClient, *, renderer: Renderer, seed: int
    ) -> RLData:
        """Batches of both kinds of games."""
        if self.older_self is None:
            return self.build(renderer=renderer, seed=seed)
        client = await service.create_sampling_client(model_path=self.older_self)
        player = EngineMessageCompleter(
            client=client, renderer=renderer, sampling=Sampling(max_tokens=MAX_TOKENS)
        )
        return self.data(renderer, [player] * self.groups)

    def data(self, renderer: Renderer, older_selves: Sequence[MessageCompleter]) -> RLData:
        """Games against itself, against these, and for a test against chance."""
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
    """What one of two players saw and did, who name any free square."""
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
    """Train, and say what it came to."""
    default = Config(
        model="HuggingFaceTB/SmolLM2-135M-Instruct",
        data=Games(),
        run_dir=new_run_dir("self-play"),
        adam=Adam(learning_rate=4e-4),
        sampling=Sampling(max_tokens=MAX_TOKENS),
        evaluation=Evaluation(every=Never()),  # besides the first step and the last
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
    print(f"against a random player {score[0]:+.2f} before, {score[-1]:+.2f} after, of -1 to 1")
    return result


if __name__ == "__main__":
    try:
        main()
    except PostTrainingError as error:
        sys.exit(f"rl_self_play: {error}")
