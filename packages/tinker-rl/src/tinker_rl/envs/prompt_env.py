"""One answer to a conversation, without a reward: for comparisons and for teachers."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field, frozen, validators

from tinker_core import CutShort, Malformed, Message
from tinker_render import Renderer
from tinker_rl.envs.env import Env, EnvGroupBuilder
from tinker_rl.envs.message_env import MessageEnv, Messages, MessageStep, as_token_env, stop_of


@define
class AnswerEnv(MessageEnv):
    """The model answers once."""

    conversation: Messages

    async def initial_messages(self) -> Messages:
        """The conversation."""
        return self.conversation

    async def step(self, message: Message) -> MessageStep:
        """End the episode."""
        return MessageStep(episode_done=True)

    async def unparsed(self, outcome: CutShort | Malformed) -> MessageStep:
        """End the episode."""
        return MessageStep(episode_done=True, stop=stop_of(outcome))


@frozen(kw_only=True)
class PromptGroupBuilder(EnvGroupBuilder):
    """Answers to one conversation, without a reward. The signal comes from a teacher."""

    conversation: Messages
    renderer: Renderer
    num_envs: int = field(default=1, validator=validators.ge(1))
    dataset_name: str = "prompts"
    """Tag of the group, which also selects its teacher."""

    async def make_envs(self) -> Sequence[Env]:
        """One environment for each answer."""
        made = [AnswerEnv(self.conversation) for _ in range(self.num_envs)]
        return [as_token_env(env, self.renderer) for env in made]

    def logging_tags(self) -> Sequence[str]:
        """The data set's name."""
        return (self.dataset_name,)

    def shares_prompt(self) -> bool:
        """True: all answers are to the same conversation."""
        return True
