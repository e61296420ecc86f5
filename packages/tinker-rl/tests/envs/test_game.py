"""Several players at one table: turns, ends, forfeits, and players that break."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from attrs import define, field

from tinker_core import ConfigError, CutShort, Message, Reply
from tinker_rl import (
    Completed,
    EngineTokenCompleter,
    EnvironmentFailure,
    Game,
    GameGroupBuilder,
    MaxTokens,
    RolloutConfig,
    Sampling,
    run_group,
)
from tinker_rl.envs.game import Table
from tinker_rl.envs.message_env import Messages


@define
class Count(Game):
    """Players say the next number in turn; who says the last one wins, who errs loses."""

    last: int = 4
    said: int = 0
    turn: int = 0
    loser: int | None = None
    log: list[str] = field(factory=list)

    def num_players(self) -> int:
        return 2

    def to_move(self) -> int | None:
        return None if self.loser is not None or self.said == self.last else self.turn

    def observe(self, player: int) -> Messages:
        return [{"role": "user", "content": f"{self.said}"}]

    def play(self, player: int, message: Message) -> None:
        assert player == self.turn
        if message.text == "break":
            raise OSError("board on fire")
        self.log.append(f"{player}:{message.text}")
        if message.text != str(self.said + 1):
            self.loser = player
        self.said += 1
        self.turn = 1 - player

    def forfeit(self, player: int) -> None:
        self.loser = player

    def rewards(self) -> Sequence[float]:
        winner = 1 - self.loser if self.loser is not None else 1 - self.turn
        return [1.0 if player == winner else -1.0 for player in range(2)]


def play(renderer: Any, scripted: Any, say: Any, **builder: Any) -> Any:
    """One group whose model answers the last line of its prompt by `say`."""

    def answer(prompt: list[int], sample: int) -> list[int]:
        text = renderer.tokenizer.decode(prompt)
        heard = text.rsplit("user\n", 1)[1].split("<|im_end|>")[0]
        said = say(heard)
        ids = renderer.tokenizer.encode(said.rstrip("|"), add_special_tokens=False)
        return ids + ([] if said.endswith("|") else list(renderer.get_stop_sequences()))

    games: list[Count] = []
    of_game = builder.pop("game", {})

    def make() -> Count:
        games.append(Count(**of_game))
        return games[-1]

    group_builder = GameGroupBuilder(make_game=make, renderer=renderer, name="count", **builder)
    policy = EngineTokenCompleter(scripted(answer), Sampling(max_tokens=8))

    async def main() -> Any:
        config = RolloutConfig(episode_seconds=60)
        try:
            return await run_group(policy, group_builder, config, (0,))
        finally:
            assert asyncio.all_tasks() == {asyncio.current_task()}

    return asyncio.run(main()), games


def following(heard: str) -> str:
    return str(int(heard) + 1)


def test_players_take_turns_and_are_paid_at_the_end(renderer: Any, scripted: Any) -> None:
    group, (game,) = play(renderer, scripted, following)
    assert game.log == ["0:1", "1:2", "0:3", "1:4"]
    assert group.rewards.tolist() == [-1.0, 1.0]
    assert [len(t.transitions) for t in group.trajectories] == [2, 2]
    assert [t.stop for t in group.trajectories] == [Completed()] * 2
    assert group.tags == ("count",)


def test_a_game_over_before_a_player_moved_has_no_turn_of_his(renderer: Any, scripted: Any) -> None:
    group, _ = play(renderer, scripted, following, game={"last": 1})
    assert [len(t.transitions) for t in group.trajectories] == [1, 0]
    assert group.rewards.tolist() == [1.0, -1.0]


def test_who_is_cut_short_forfeits_and_the_other_one_wins(renderer: Any, scripted: Any) -> None:
    group, _ = play(renderer, scripted, lambda heard: "2" * 20 if heard == "1" else "1")
    assert group.rewards.tolist() == [1.0, -1.0]
    assert [t.stop for t in group.trajectories] == [Completed(), MaxTokens()]


def test_a_game_that_breaks_ends_for_all(renderer: Any, scripted: Any) -> None:
    with pytest.raises(EnvironmentFailure, match="board on fire"):
        play(renderer, scripted, lambda heard: "break" if heard == "2" else following(heard))


@define
class Fixed:
    """A completer that counts right, until it has had enough."""

    limit: int = 100
    heard: list[list[str]] = field(factory=list)

    async def __call__(self, messages: Any, *, seed: int | None = None) -> Any:
        self.heard.append([message.text for message in messages])
        said = Message(role="assistant", content=following(messages[-1].text))
        return Reply(said) if len(self.heard) < self.limit else CutShort(said)


@pytest.mark.parametrize(("seat", "rewards"), [(0, [1.0]), (1, [-1.0])])
def test_a_fixed_seat_plays_without_training(
    seat: int, rewards: list[float], renderer: Any, scripted: Any
) -> None:
    opponent = Fixed()
    group, (game,) = play(renderer, scripted, following, fixed={seat: opponent})
    assert game.log == ["0:1", "1:2", "0:3", "1:4"]
    assert group.rewards.tolist() == rewards
    assert [len(t.transitions) for t in group.trajectories] == [2]
    # it hears its own conversation, with what it said itself
    expected = [["0"], ["0", "1", "2"]] if seat == 0 else [["1"], ["1", "2", "3"]]
    assert opponent.heard == expected


def test_a_fixed_seat_may_forfeit(renderer: Any, scripted: Any) -> None:
    group, _ = play(renderer, scripted, following, fixed={1: Fixed(limit=1)})
    assert group.rewards.tolist() == [1.0]


def test_several_games_are_played_side_by_side(renderer: Any, scripted: Any) -> None:
    group, games = play(renderer, scripted, following, games=3)
    assert len(games) == 3
    assert group.rewards.tolist() == [-1.0, 1.0] * 3


def test_without_a_seat_that_trains_there_is_nothing_to_do(renderer: Any, scripted: Any) -> None:
    with pytest.raises(EnvironmentFailure, match="every seat is fixed") as error:
        play(renderer, scripted, following, fixed={0: Fixed(), 1: Fixed()})
    assert isinstance(error.value.__cause__, ConfigError)


def test_who_waits_longest_for_an_opponent_that_hangs_is_not_left_behind() -> None:
    async def main() -> None:
        table = Table(Count())
        waiting = asyncio.create_task(table.wait_for_turn(1))
        await asyncio.sleep(0)
        await table.move(0, None)
        assert await waiting is False

    asyncio.run(main())
