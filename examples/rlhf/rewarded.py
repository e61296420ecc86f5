"""Environments for `tinker-rl` that are rewarded by a reward model of `tinker-dpo`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import tinker
from attrs import define, frozen
from tasks import Question, questions

from tinker_core import CutShort, Malformed, Message
from tinker_data import PreferencePair, open_jsonl
from tinker_dpo import BradleyTerry, ScoreModel, centred, read_pair, score_model
from tinker_dpo.objectives.logistic import sigmoid
from tinker_render import Renderer
from tinker_rl import Env, EnvGroupBuilder, GroupBatches, RLData
from tinker_rl.envs.message_env import MessageEnv, MessageStep, as_token_env
from tinker_rl.stop_reason import MaxTokens, ParseFailure


@define
class JudgedAnswer(MessageEnv):
    """The model answers once; the reward is the probability that the answer is good."""

    prompt: tuple[Message, ...]
    judge: ScoreModel

    async def initial_messages(self) -> Sequence[Message]:
        """The question."""
        return self.prompt

    async def step(self, message: Message) -> MessageStep:
        """The probability of a good answer, 0 to 1, because log-odds are unbounded."""
        reward = float(sigmoid(await self.judge.reward(self.prompt, (message,))))
        return MessageStep(reward=reward, episode_done=True, logs={"answer": message.text})

    async def unparsed(self, outcome: CutShort | Malformed) -> MessageStep:
        """An unfinished answer has reward 0."""
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
        """One environment per answer."""
        envs = [JudgedAnswer(self.prompt, self.judge) for _ in range(self.attempts)]
        return [as_token_env(env, self.renderer) for env in envs]

    def shares_prompt(self) -> bool:
        """All answers are to the same question."""
        return True


@frozen(kw_only=True)
class JudgedQuestions:
    """The training questions, and the reward model that judges the answers."""

    reward_model: str
    """Weights of the reward model; a `tinker://` path."""
    pairs: Path
    """The pairs that the reward model was trained on."""
    attempts: int = 8
    questions_per_batch: int = 16

    async def build_on(
        self, service: tinker.ServiceClient, *, renderer: Renderer, seed: int
    ) -> RLData:
        """One group per question."""
        judge = await open_judge(service, self.reward_model, self.pairs, renderer)
        learnt_on, _ = questions(seed)
        groups = [
            JudgedGroup(
                prompt=prompt_of(question), judge=judge, renderer=renderer, attempts=self.attempts
            )
            for question in learnt_on
        ]
        return RLData(train=GroupBatches(groups, self.questions_per_batch))


async def open_judge(
    service: tinker.ServiceClient, weights: str, pairs: Path, renderer: Renderer
) -> ScoreModel:
    """The reward model, centred on the answers that it was trained on."""
    sampler = await service.create_sampling_client(model_path=weights)
    return await centred(score_model(sampler, renderer, BradleyTerry()), preference_pairs(pairs))


def preference_pairs(path: Path) -> list[PreferencePair]:
    """All pairs of a file."""
    rows = open_jsonl(path)
    return [read_pair(rows[i]) for i in range(len(rows))]


def prompt_of(question: Question) -> tuple[Message, ...]:
    """The user's message."""
    return (Message(role="user", content=question.text),)
