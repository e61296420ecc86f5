"""Groups whose answers are compared in pairs by a preference model, as in RLHF."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Literal

import numpy as np
from attrs import field, frozen, validators

from tinker_core import Comparison, Message, PreferenceModel, Reply
from tinker_render import Renderer
from tinker_rl.envs.env import Env, EnvGroupBuilder
from tinker_rl.envs.message_env import Messages, as_token_env
from tinker_rl.envs.prompt_env import AnswerEnv
from tinker_rl.trajectory import Trajectory
from tinker_train import Metrics, gather

Pair = tuple[int, int]


@frozen(kw_only=True)
class PairwisePreferenceGroupBuilder(EnvGroupBuilder):
    """Answers to one conversation. The reward is the mean of wins minus losses, -1 to 1."""

    conversation: Messages
    renderer: Renderer
    preference: PreferenceModel
    num_envs: int = field(validator=validators.ge(2))
    matches: Literal["one_way", "both_ways"] = "both_ways"
    """Judge each pair once, or in both orders, which cancels a judge's position bias."""
    format_coefficient: float = 1.0
    """Penalty of an answer that is not a complete message. It also loses each match against a
    complete one, without a judge."""
    dataset_name: str = "preferences"
    """Tag of the group's metrics."""

    async def make_envs(self) -> Sequence[Env]:
        """One environment for each answer."""
        return [await self._make() for _ in range(self.num_envs)]

    async def remake_env(self, index: int) -> Env | None:
        """A new environment: answers are independent of each other."""
        return await self._make()

    async def compute_group_rewards(
        self, trajectories_G: Sequence[Trajectory], envs_G: Sequence[Env]
    ) -> Sequence[tuple[float, Metrics]]:
        """Judge all matches concurrently."""
        answers_G = [self._answer(trajectory) for trajectory in trajectories_G]
        pairs = list(combinations(range(len(answers_G)), 2))
        if self.matches == "both_ways":
            pairs += [(j, i) for i, j in pairs]
        else:  # answers take turns in the first position
            pairs = [(j, i) if (i + j) % 2 else (i, j) for i, j in pairs]
        verdicts = await gather(self._judge(answers_G[i], answers_G[j]) for i, j in pairs)
        wins_G = mean_wins(len(answers_G), pairs, verdicts)
        return [
            (
                float(wins) + self.format_coefficient * ((answer is not None) - 1),
                {"win_minus_loss": float(wins), "format": float(answer is not None)},
            )
            for wins, answer in zip(wins_G, answers_G, strict=True)
        ]

    def logging_tags(self) -> Sequence[str]:
        """The data set's name."""
        return (self.dataset_name,)

    def shares_prompt(self) -> bool:
        """True: all answers are to the same conversation."""
        return True

    async def _make(self) -> Env:
        return as_token_env(AnswerEnv(self.conversation), self.renderer)

    def _answer(self, trajectory: Trajectory) -> Message | None:
        """The message, or None if it is not complete."""
        if not trajectory.transitions:
            return None
        tokens = trajectory.transitions[-1].action.tokens
        outcome = self.renderer.parse_response(list(tokens))
        return outcome.message if isinstance(outcome, Reply) else None

    async def _judge(self, first: Message | None, second: Message | None) -> float:
        """From -1 (the first is better) to 1 (the second is better)."""
        if first is None or second is None:
            return float(second is not None) - float(first is not None)
        comparison = Comparison(prompt=self.conversation, first=[first], second=[second])
        return 1.0 - 2.0 * await self.preference.prefer(comparison)


def mean_wins(size: int, pairs: Sequence[Pair], verdicts: Sequence[float]) -> list[float]:
    """The mean of wins minus losses of each of `size` players; zero without a match."""
    total, matches = np.zeros(size), np.zeros(size)
    for (first, second), verdict in zip(pairs, verdicts, strict=True):
        total[[first, second]] += -verdict, verdict
        matches[[first, second]] += 1
    return [float(mean) for mean in total / np.maximum(matches, 1)]
