"""Games of several players: the game, the table that passes the turns, and the players.

The trained model plays all seats (self-play), or all but the fixed ones, which belong to a frozen
completer (an older snapshot, another model). Each seat that trains is one episode of the group.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from attrs import define, field, frozen

from tinker_core import ConfigError, CutShort, Malformed, Message, as_message
from tinker_render import Renderer
from tinker_rl.completers import MessageCompleter
from tinker_rl.envs.env import Env, EnvGroupBuilder
from tinker_rl.envs.message_env import (
    MessageEnv,
    MessageRules,
    Messages,
    MessageStep,
    as_token_env,
    stop_of,
)
from tinker_rl.errors import EnvironmentFailure
from tinker_rl.stop_reason import Completed, StopReason
from tinker_train import Metrics


class Game(ABC):
    """The rules and the state of one game.

    Its methods are called one at a time on the event loop, so they must not block.
    """

    @abstractmethod
    def num_players(self) -> int:
        """The number of seats."""

    @abstractmethod
    def to_move(self) -> int | None:
        """The player to move; None when the game is over."""

    @abstractmethod
    def observe(self, player: int) -> Messages:
        """Messages to the player to move: first the rules, later the events since its last move."""

    @abstractmethod
    def play(self, player: int, message: Message) -> None:
        """Make the player's move. The game decides about moves against its rules."""

    @abstractmethod
    def forfeit(self, player: int) -> None:
        """Count a missing move: cut short, out of time, or malformed."""

    @abstractmethod
    def rewards(self) -> Sequence[float]:
        """The reward of each player after the game."""


@define
class Table:
    """One game in progress. It wakes the players in turn and plays the fixed seats."""

    game: Game
    fixed: Mapping[int, MessageCompleter] = field(factory=dict)
    _heard: dict[int, list[Message]] = field(factory=dict)
    """Conversations of the fixed seats."""
    _error: Exception | None = None
    _turn_changed: asyncio.Condition = field(factory=asyncio.Condition)

    async def wait_for_turn(self, player: int) -> bool:
        """Wait. True when it is the player's turn, False when the game is over.

        Raises EnvironmentFailure if the game failed in another player's turn.
        """

        def is_mine_or_over() -> bool:
            return self._error is not None or self.game.to_move() in (player, None)

        async with self._turn_changed:
            async with self._waking_players():
                await self._play_fixed_seats()
            await self._turn_changed.wait_for(is_mine_or_over)
            if self._error is not None:
                raise EnvironmentFailure(
                    "the game failed in another player's turn"
                ) from self._error
            return self.game.to_move() is not None

    async def move(self, player: int, message: Message | None) -> None:
        """Make the player's move, or forfeit for None; then the moves of the fixed seats.

        An exception of the game ends the game for all players.
        """
        async with self._turn_changed:
            if self.game.to_move() is None:
                return
            async with self._waking_players():
                if message is None:
                    self.game.forfeit(player)
                else:
                    self.game.play(player, message)
                await self._play_fixed_seats()

    @asynccontextmanager
    async def _waking_players(self) -> AsyncIterator[None]:
        """Wake the other players after the block, also after an error."""
        try:
            yield
        except Exception as error:
            self._error = error
            raise
        finally:
            self._turn_changed.notify_all()

    async def _play_fixed_seats(self) -> None:
        while (seat := self.game.to_move()) is not None and seat in self.fixed:
            heard = self._heard.setdefault(seat, [])
            heard += [as_message(message) for message in self.game.observe(seat)]
            outcome = await self.fixed[seat](heard)
            heard.append(outcome.message)
            if isinstance(outcome, CutShort | Malformed):
                self.game.forfeit(seat)
            else:
                self.game.play(seat, outcome.message)


@define
class _Player(MessageEnv):
    table: Table
    seat: int

    @property
    def wrapped(self) -> Game:
        return self.table.game

    async def initial_messages(self) -> Messages | MessageStep:
        if await self.table.wait_for_turn(self.seat):
            return self.table.game.observe(self.seat)
        return self._over(Completed())

    async def step(self, message: Message) -> MessageStep:
        await self.table.move(self.seat, message)
        if await self.table.wait_for_turn(self.seat):
            return MessageStep(episode_done=False, messages=self.table.game.observe(self.seat))
        return self._over(Completed())

    async def unparsed(self, outcome: CutShort | Malformed) -> MessageStep:
        await self.table.move(self.seat, None)
        if await self.table.wait_for_turn(self.seat):  # the game goes on after a forfeit
            return MessageStep(episode_done=False, messages=self.table.game.observe(self.seat))
        return self._over(stop_of(outcome))

    async def stopped(self, reason: StopReason) -> tuple[float, Metrics]:
        await self.table.move(self.seat, None)
        over = self.table.game.to_move() is None
        return (self.table.game.rewards()[self.seat] if over else 0.0), {}

    def _over(self, stop: StopReason) -> MessageStep:
        reward = self.table.game.rewards()[self.seat]
        return MessageStep(reward=reward, episode_done=True, stop=stop)


@frozen(kw_only=True)
class GameGroupBuilder(EnvGroupBuilder):
    """Games whose players are compared with each other."""

    make_game: Callable[[], Game]
    renderer: Renderer
    games: int = 1
    """Games in the group. With fixed seats take several, so that there is a comparison."""
    fixed: Mapping[int, MessageCompleter] = field(factory=dict)
    """Completers of the seats that do not train."""
    rules: MessageRules = field(factory=MessageRules)
    name: str = "game"
    """Tag of the group's metrics."""

    async def make_envs(self) -> Sequence[Env]:
        """The players of all games, game by game. Raises ConfigError if no seat trains."""
        envs = []
        for _ in range(self.games):
            game = self.make_game()
            table = Table(game, self.fixed)
            seats = [seat for seat in range(game.num_players()) if seat not in self.fixed]
            if not seats:
                raise ConfigError(f"{self.name}: every seat is fixed, so no episode is trained on")
            envs += [
                as_token_env(_Player(table, seat), self.renderer, self.rules) for seat in seats
            ]
        return envs

    def logging_tags(self) -> Sequence[str]:
        """The game's name."""
        return (self.name,)
