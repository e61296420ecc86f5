"""A person plays in the model's place: reads its prompts as text and writes its turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from attrs import define, field

from tinker_render import Renderer
from tinker_rl.completers import TokenCompleter
from tinker_rl.envs.env import EnvGroupBuilder
from tinker_rl.rollout.group import run_group
from tinker_rl.rollout.rollout_config import RolloutConfig
from tinker_rl.stop_reason import stop_name
from tinker_rl.trajectory import Action, Observation, StopCondition, TrajectoryGroup
from tinker_rl.user_code import in_thread


@define
class PersonCompleter(TokenCompleter):
    """A TokenCompleter that asks a person for each turn."""

    renderer: Renderer
    ask: Callable[[str], str] = input
    """Shows a text and returns a line of input."""
    _shown: tuple[int, ...] = ()
    _one_at_a_time: asyncio.Lock = field(factory=asyncio.Lock)

    async def __call__(
        self,
        prompt: Observation,
        stop: StopCondition,
        *,
        max_tokens: int | None = None,
        seed: int | None = None,
    ) -> Action:
        """The turn that the person writes, in the tokens that the model would emit."""
        async with self._one_at_a_time:
            seen = tuple(prompt.to_ints())
            extends = bool(self._shown) and seen[: len(self._shown)] == self._shown
            new = seen[len(self._shown) :] if extends else seen
            written = await in_thread(self.ask, str(self.renderer.tokenizer.decode(list(new))))
            tokens = self._emitted(written)
            self._shown = (*seen, *tokens)
        return Action(tokens=tokens, logprobs=[0.0] * len(tokens))

    def _emitted(self, text: str) -> list[int]:
        conversation = [{"role": "user", "content": "."}, {"role": "assistant", "content": text}]
        rendered = self.renderer.render(conversation)
        return [int(t) for t, s in zip(rendered.tokens, rendered.sampled, strict=True) if s]


async def play(
    builder: EnvGroupBuilder,
    renderer: Renderer,
    *,
    ask: Callable[[str], str] = input,
    say: Callable[[str], None] = print,
) -> TrajectoryGroup:
    """Let a person play the episodes of a group, and print their rewards."""
    group = await run_group(PersonCompleter(renderer, ask), builder, RolloutConfig(), (0,))
    for trajectory, reward in zip(group.trajectories, group.rewards, strict=True):
        metrics = {k: v for turn in trajectory.transitions for k, v in turn.metrics.items()}
        metrics |= trajectory.metrics
        say(f"reward {reward:g}, {stop_name(trajectory.stop)}, {metrics}")
    return group
