"""Several players in one group: a game, a table that tells whose turn it is, and its players.

All seats may be played by the model in training (self-play), or some by a completer that stays as
it is (an older snapshot, another model). Each seat that trains is one episode of the group.
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
    """The rules, and the state of one game.

    Its methods are called one at a time, on the event loop that all games share: they must not
    take long.
    """

    @abstractmethod
    def num_players(self) -> int:
        """How many seats there are."""

    @abstractmethod
    def to_move(self) -> int | None:
        """Whose turn it is; None when the game is over."""

    @abstractmethod
    def observe(self, player: int) -> Messages:
        """What the player is told when its turn comes: first the rules, later what happened since
        its last move."""

    @abstractmethod
    def play(self, player: int, message: Message) -> None:
        """The player's move. A move against the rules is the game's to judge."""

    @abstractmethod
    def forfeit(self, player: int) -> None:
        """The player has no move: cut short, out of time, or it wrote what is no message."""

    @abstractmethod
    def rewards(self) -> Sequence[float]:
        """What each player earned, when the game is over."""


@define
class Table:
    """One game under way: wakes the players in turn, and plays the seats that do not train."""

    game: Game
    fixed: Mapping[int, MessageCompleter] = field(factory=dict)
    _heard: dict[int, list[Message]] = field(factory=dict)
    """The conversations of the fixed seats."""
    _broken: Exception | None = None
    _moved: asyncio.Condition = field(factory=asyncio.Condition)

    async def wait_for_turn(self, player: int) -> bool:
        """True when it is the player's turn, False when the game is over.

        Raises EnvironmentFailure where the game broke under another player.
        """

        def is_mine_or_over() -> bool:
            return self._broken is not None or self.game.to_move() in (player, None)

        async with self._moved:
            async with self._broken_for_all():
                await self._play_fixed_seats()
            await self._moved.wait_for(is_mine_or_over)
            if self._broken is not None:
                raise EnvironmentFailure("the game broke under another player") from self._broken
            return self.game.to_move() is not None

    async def move(self, player: int, message: Message | None) -> None:
        """The player's move, or None where it has none; then the fixed seats' until another's turn.

        What the game raises is raised here, and ends the game for all players.
        """
        async with self._moved:
            if self.game.to_move() is None:
                return
            async with self._broken_for_all():
                if message is None:
                    self.game.forfeit(player)
                else:
                    self.game.play(player, message)
                await self._play_fixed_seats()

    @asynccontextmanager
    async def _broken_for_all(self) -> AsyncIterator[None]:
        """Let the other players know what happened inside, be it an error."""
        try:
            yield
        except Exception as error:
            self._broken = error
            raise
        finally:
            self._moved.notify_all()

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

    async def unreadable(self, outcome: CutShort | Malformed) -> MessageStep:
        await self.table.move(self.seat, None)
        if await self.table.wait_for_turn(self.seat):  # a game in which one may pass
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
    """Games in the group; with fixed seats, take several, or there is nobody to compare with."""
    fixed: Mapping[int, MessageCompleter] = field(factory=dict)
    """Seats that do not train, and who plays them."""
    rules: MessageRules = field(factory=MessageRules)
    name: str = "game"
    """Tag of the group's metrics."""

    async def make_envs(self) -> Sequence[Env]:
        """The players of all games, game by game; raises ConfigError where no seat trains."""
        envs = []
        for _ in range(self.games):
            game = self.make_game()
            table = Table(game, self.fixed)
            seats = [seat for seat in range(game.num_players()) if seat not in self.fixed]
            if not seats:
                raise ConfigError(f"{self.name}: every seat is fixed, so nobody learns")
            envs += [
                as_token_env(_Player(table, seat), self.renderer, self.rules) for seat in seats
            ]
        return envs

    def logging_tags(self) -> Sequence[str]:
        """The game's name."""
        return (self.name,)
