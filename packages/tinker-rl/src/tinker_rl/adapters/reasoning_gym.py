"""Procedural problems of `reasoning-gym`, which also grades (extra `reasoning-gym`)."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from attrs import define, field, frozen, validators

from tinker_core import ConfigError, Message
from tinker_render import Renderer
from tinker_rl.data.dataset import GroupBatches, RLData
from tinker_rl.envs.env import EnvGroupBuilder
from tinker_rl.envs.message_env import MessageEnv, Messages, MessageStep, as_token_env
from tinker_rl.envs.problem_env import ProblemGroupBuilder
from tinker_rl.user_code import in_thread


@frozen(kw_only=True)
class ReasoningGym:
    """An `RLDatasetBuilder` of one task of reasoning-gym."""

    task: str
    """Name of the task, such as `chain_sum`."""
    settings: Mapping[str, Any] = field(factory=dict)
    """Settings of the task, such as {"max_terms": 3}."""
    size: int = field(default=500, validator=validators.ge(1))
    """Training problems."""
    test_size: int = field(default=0, validator=validators.ge(0))
    """Problems of the test set, which are different ones."""
    system: str = "Give the answer alone, without an explanation."
    """System prompt."""
    group_size: int = field(default=8, validator=validators.ge(1))
    """Attempts at each problem."""
    groups_per_batch: int = field(default=8, validator=validators.ge(1))
    """Problems in a batch."""

    def build(self, *, renderer: Renderer, seed: int) -> RLData:
        """The problems of the task for the seed. Raises ConfigError for an unknown task."""
        whole = self._problems(seed)

        def groups(which: range, size: int) -> list[EnvGroupBuilder]:
            return [self._group(renderer, whole, index, size) for index in which]

        test = groups(range(self.size, self.size + self.test_size), 1)
        return RLData(
            train=GroupBatches(groups(range(self.size), self.group_size), self.groups_per_batch),
            test=GroupBatches(test, self.groups_per_batch) if test else None,
        )

    def _problems(self, seed: int) -> Any:
        try:
            gym = importlib.import_module("reasoning_gym")
        except ImportError as error:
            raise ConfigError("pip install tinker-rl[reasoning-gym]") from error
        size = self.size + self.test_size
        try:
            return gym.create_dataset(self.task, size=size, seed=seed, **self.settings)
        except (ValueError, TypeError, AssertionError) as error:
            raise ConfigError(f"reasoning-gym task {self.task!r}: {error}") from error

    def _group(
        self, renderer: Renderer, problems: Any, index: int, size: int
    ) -> ProblemGroupBuilder:
        entry = problems[index]
        return ProblemGroupBuilder(
            env_thunk=lambda: as_token_env(_GymEnv(problems, entry, self.system), renderer),
            num_envs=size,
            dataset_name=self.task,
        )


@define
class _GymEnv(MessageEnv):
    problems: Any
    entry: Mapping[str, Any]
    system: str

    async def initial_messages(self) -> Messages:
        return [
            Message(role="system", content=self.system),
            Message(role="user", content=self.entry["question"]),
        ]

    async def step(self, message: Message) -> MessageStep:
        answer = message.text.strip()
        score = float(await in_thread(self.problems.score_answer, answer, self.entry))
        logs = {"answer": answer, "reference": str(self.entry["answer"])}
        return MessageStep(reward=score, episode_done=True, metrics={"score": score}, logs=logs)
