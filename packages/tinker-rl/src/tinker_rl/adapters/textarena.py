"""Text games of `textarena` for one or several players (extra `textarena`)."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import define, field, frozen, validators

from tinker_core import ConfigError, Message
from tinker_render import Renderer
from tinker_rl.data.dataset import GroupBatches, RLData
from tinker_rl.envs.env import EnvGroupBuilder
from tinker_rl.envs.game import Game, GameGroupBuilder
from tinker_rl.envs.message_env import Messages


@frozen(kw_only=True)
class TextArena:
    """An `RLDatasetBuilder` of one game. The model plays all seats."""

    game: str
    """Name of the game without a wrapper, such as `TicTacToe-v0`."""
    players: int = field(default=2, validator=validators.ge(1))
    games_per_group: int = field(default=4, validator=validators.ge(1))
    """Games with the same start that are compared with each other."""
    groups_per_batch: int = field(default=4, validator=validators.ge(1))
    batches: int = field(default=50, validator=validators.ge(1))
    """Batches in the data set. Each group has its own start."""

    def build(self, *, renderer: Renderer, seed: int) -> RLData:
        """Groups of games. The run's seed and the index of a group seed its games."""
        make_game(self.game, self.players, seed)  # raises ConfigError for an unknown game

        def group(index: int) -> EnvGroupBuilder:
            group_seed = int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
            return GameGroupBuilder(
                make_game=lambda: make_game(self.game, self.players, group_seed),
                renderer=renderer,
                games=self.games_per_group,
                name=self.game,
            )

        groups = [group(index) for index in range(self.batches * self.groups_per_batch)]
        return RLData(train=GroupBatches(groups, self.groups_per_batch))


def make_game(name: str, players: int, seed: int) -> Game:
    """A new game. Raises ConfigError if textarena is not installed, or for an unknown game."""
    try:
        arena = importlib.import_module("textarena")
    except ImportError as error:
        raise ConfigError("pip install tinker-rl[textarena]") from error
    try:
        env = arena.make(f"{name}-raw")  # without wrappers that repeat the whole game in each turn
        env.reset(num_players=players, seed=seed)
    except (ValueError, ImportError, AssertionError) as error:
        raise ConfigError(f"textarena game {name!r} for {players}: {error}") from error
    return _ArenaGame(env, players, dict(env.state.role_mapping))


@define
class _ArenaGame(Game):
    env: Any
    players: int
    roles: Mapping[int, str]
    _over: bool = False
    _forfeited: int | None = None

    def num_players(self) -> int:
        return self.players

    def to_move(self) -> int | None:
        return None if self._over else int(self.env.state.current_player_id)

    def observe(self, player: int) -> Messages:
        _, events = self.env.get_observation()
        lines = [
            f"[{self.roles.get(sender, f'Player {sender}') if sender >= 0 else 'GAME'}] {text}"
            for sender, text, _ in events
            if sender != player
        ]
        return [Message(role="user", content="\n".join(lines))]

    def play(self, player: int, message: Message) -> None:
        self._over, _ = self.env.step(action=message.text)

    def forfeit(self, player: int) -> None:
        self._over, self._forfeited = True, player

    def rewards(self) -> Sequence[float]:
        if self._forfeited is not None:
            return [-1.0 if seat == self._forfeited else 0.0 for seat in range(self.players)]
        earned, _ = self.env.close()
        return [float(earned[seat]) for seat in range(self.players)]
