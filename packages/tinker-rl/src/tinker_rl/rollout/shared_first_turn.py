"""Sample the first turn of all episodes of a group in one call where they share their prompt."""

from __future__ import annotations

import asyncio

from attrs import define

from tinker_core import DataError
from tinker_rl.completers import ManyTokenCompleter, TokenCompleter
from tinker_rl.trajectory import Action, Observation, StopCondition


@define
class SharedFirstTurn:
    """The first turns of a group. The first episode that asks makes the call for all of them."""

    policy: ManyTokenCompleter
    count: int
    tasks: asyncio.TaskGroup
    seed: int
    _prompt: tuple[Observation, StopCondition] | None = None
    _actions: asyncio.Task[list[Action]] | None = None

    def completer(self, index: int) -> TokenCompleter:
        """The policy of one episode: its first turn is from the shared call."""
        is_first = True

        async def complete(
            prompt: Observation,
            stop: StopCondition,
            *,
            max_tokens: int | None = None,
            seed: int | None = None,
        ) -> Action:
            nonlocal is_first
            if not is_first:
                return await self.policy(prompt, stop, max_tokens=max_tokens, seed=seed)
            is_first = False
            return (await self._first_turns(index, prompt, stop, max_tokens))[index]

        return complete

    async def _first_turns(
        self, index: int, prompt: Observation, stop: StopCondition, max_tokens: int | None
    ) -> list[Action]:
        if self._actions is None:
            self._prompt = (prompt, stop)
            # a task of the group: the call continues when the episode that asked runs out of time
            self._actions = self.tasks.create_task(
                self.policy.many(prompt, stop, self.count, max_tokens=max_tokens, seed=self.seed)
            )
        elif self._prompt != (prompt, stop):
            raise DataError(
                f"shares_prompt() is true, but episode {index} of the group has another prompt"
            )
        return await asyncio.shield(self._actions)
