"""Environments for `tinker-rl` in which a reward model of `tinker-dpo` judges the answer."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, frozen

from tinker_core import ConfigError, CutShort, Malformed, Message
from tinker_dpo import ScoreModel
from tinker_dpo.losses import sigmoid
from tinker_render import Renderer
from tinker_rl import Env, EnvGroupBuilder, GroupBatches, RLData
from tinker_rl.message_env import MessageEnv, MessageStep, as_token_env
from tinker_rl.stop import MaxTokens, ParseFailure


@define
class JudgedAnswer(MessageEnv):
    """The model answers once; the reward is the probability that the answer is good."""

    prompt: tuple[Message, ...]
    judge: ScoreModel

    async def initial_messages(self) -> Sequence[Message]:
        """The question."""
        return self.prompt

    async def step(self, message: Message) -> MessageStep:
        """The reward model's verdict, 0 to 1: its log-odds have no upper end to stop at."""
        reward = float(sigmoid(await self.judge.reward(self.prompt, (message,))))
        return MessageStep(reward=reward, episode_done=True, logs={"answer": message.text})

    async def unreadable(self, outcome: CutShort | Malformed) -> MessageStep:
        """An answer that does not end earns nothing."""
        stop = MaxTokens() if isinstance(outcome, CutShort) else ParseFailure(outcome.reason)
        return MessageStep(reward=0.0, episode_done=True, stop=stop)


@frozen(kw_only=True)
class JudgedGroup(EnvGroupBuilder):
    """Several answers to one question."""

    prompt: tuple[Message, ...]
    judge: ScoreModel
    renderer: Renderer
    attempts: int

    async def make_envs(self) -> Sequence[Env]:
        """One for each answer."""
        envs = [JudgedAnswer(self.prompt, self.judge) for _ in range(self.attempts)]
        return [as_token_env(env, self.renderer) for env in envs]

    def shares_prompt(self) -> bool:
        """All answers are to the same question."""
        return True


@frozen(kw_only=True)
class JudgedQuestions:
    """What the run's config says of its data."""

    reward_model: str
    """Weights of the reward model, a `tinker://` path."""
    attempts: int = 8
    questions_per_batch: int = 16

    def build(self, *, renderer: Renderer, seed: int) -> RLData:
        """Not without an engine: see `open`."""
        raise ConfigError("the reward model needs an engine: resume this run with rlhf.py")

    def open(
        self, prompts: Sequence[tuple[Message, ...]], judge: ScoreModel, renderer: Renderer
    ) -> RLData:
        """The groups, with a reward model that is connected."""
        groups = [
            JudgedGroup(prompt=prompt, judge=judge, renderer=renderer, attempts=self.attempts)
            for prompt in prompts
        ]
        return RLData(train=GroupBatches(groups, self.questions_per_batch))
