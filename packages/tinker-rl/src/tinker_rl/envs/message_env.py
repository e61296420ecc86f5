"""Environments of messages. The renderer converts between messages and tokens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import tinker
from attrs import define, evolve, field, frozen, validators

from tinker_core import (
    CutShort,
    ImagePart,
    Malformed,
    Message,
    Reply,
    ToolSpec,
    as_conversation,
    as_message,
)
from tinker_render import NoBridge, Renderer
from tinker_rl.envs.env import Env, StepResult
from tinker_rl.stop_reason import Completed, MaxTokens, ParseFailure, StopReason
from tinker_rl.trajectory import Action, Logs, Observation, StopCondition
from tinker_rl.user_code import call
from tinker_train import Metrics

Messages = Sequence[Message | Mapping[str, Any]]
_COMPLETED = Completed()


@frozen(kw_only=True)
class MessageStep:
    """The result of the model's message."""

    reward: float = 0.0
    episode_done: bool
    messages: Messages = ()
    """Messages before the model's next turn."""
    stop: StopReason = _COMPLETED
    metrics: Metrics = field(factory=dict)
    logs: Logs = field(factory=dict)


class MessageEnv(ABC):
    """One episode as a conversation, used once. See `Env`."""

    @abstractmethod
    async def initial_messages(self) -> Messages | MessageStep:
        """The conversation before the model's first turn.

        A step that is done ends the episode before that turn.
        """

    @abstractmethod
    async def step(self, message: Message) -> MessageStep:
        """The result of the model's message."""

    async def unparsed(self, outcome: CutShort | Malformed) -> MessageStep | None:
        """The result of a turn that cannot be parsed. None leaves it to the `MessageRules`."""
        return None

    async def stopped(self, reason: StopReason) -> tuple[float, Metrics]:
        """See `Env.stopped`."""
        return 0.0, {}

    def tools(self) -> Sequence[ToolSpec]:
        """Tools in the prompt, in the format of the model's family."""
        return ()


@frozen(kw_only=True)
class MessageRules:
    """Rules for turns that cannot be parsed."""

    cut_short_reward: float = 0.0
    """Reward of a turn that `max_tokens` or the context window cut short. It ends the episode."""
    malformed_reward: float = 0.0
    """Reward of each malformed turn."""
    malformed_retries: int = field(default=0, validator=validators.ge(0))
    """Malformed turns in a row that are answered with the reason before the episode ends."""


def as_token_env(env: MessageEnv, renderer: Renderer, rules: MessageRules = MessageRules()) -> Env:
    """Convert an environment of messages to one of tokens.

    Each prompt extends the tokens that the model saw and sampled wherever the format allows it
    (`Renderer.bridge`). A conversation that only grows is then one training sequence, and each of
    its messages is rendered once.
    """
    return _RenderedEnv(env, renderer, rules)


@define
class _RenderedEnv(Env):
    wrapped: MessageEnv
    renderer: Renderer
    rules: MessageRules
    _conversation: tuple[Message, ...] = ()
    _tools: tuple[ToolSpec, ...] = ()
    _prompt: Observation = field(factory=tinker.ModelInput.empty)
    _malformed_in_a_row: int = 0

    async def initial_observation(self) -> tuple[Observation, StopCondition] | StepResult:
        first = await call(self.wrapped.initial_messages)
        if isinstance(first, MessageStep):
            return self._result(first, first.metrics)
        self._conversation = as_conversation(first)
        self._tools = tuple(self.wrapped.tools())
        self._prompt = self.renderer.build_generation_prompt(self._conversation, tools=self._tools)
        return self._prompt, self.renderer.get_stop_sequences()

    async def stopped(self, reason: StopReason) -> tuple[float, Metrics]:
        return await call(self.wrapped.stopped, reason)

    async def step(self, action: Action) -> StepResult:
        outcome = self.renderer.parse_response(action.tokens, tools=self._tools)
        is_malformed = isinstance(outcome, Malformed)
        self._malformed_in_a_row = self._malformed_in_a_row + 1 if is_malformed else 0
        step = (
            await call(self.wrapped.step, outcome.message)
            if isinstance(outcome, Reply)
            else await self._unparsed(outcome)
        )
        metrics = {
            **step.metrics,
            "cut_short": float(isinstance(outcome, CutShort)),
            "malformed": float(is_malformed),
        }
        if step.episode_done:
            return self._result(step, metrics)
        following = tuple(as_message(message) for message in step.messages)
        tools = tuple(self.wrapped.tools())
        self._prompt = self._next_prompt(action, outcome.message, following, tools)
        self._conversation = (*self._conversation, outcome.message, *following)
        self._tools = tools
        return evolve(
            self._result(step, metrics),
            episode_done=False,
            next_observation=self._prompt,
            next_stop_condition=self.renderer.get_stop_sequences(),
        )

    def _next_prompt(
        self,
        action: Action,
        reply: Message,
        following: tuple[Message, ...],
        tools: tuple[ToolSpec, ...],
    ) -> Observation:
        """The last prompt, the sampled tokens and the rendered `following`.

        The whole conversation is rendered again where that is not the next prompt: the format
        rewrites earlier turns, the reply cannot be parsed, or the tools have changed.
        """
        if following and tools == self._tools and not any(map(_has_image, following)):
            bridge = self.renderer.bridge(
                self._conversation, action.tokens, following, tools=self._tools
            )
            if not isinstance(bridge, NoBridge):
                new = tinker.EncodedTextChunk(tokens=[*action.tokens, *bridge])
                return tinker.ModelInput(chunks=[*self._prompt.chunks, new])
        whole = (*self._conversation, reply, *following)
        return self.renderer.build_generation_prompt(whole, tools=tools)

    def _result(self, step: MessageStep, metrics: Metrics) -> StepResult:
        return StepResult(
            reward=step.reward, episode_done=True, stop=step.stop, metrics=metrics, logs=step.logs
        )

    async def _unparsed(self, outcome: CutShort | Malformed) -> MessageStep:
        said = await call(self.wrapped.unparsed, outcome)
        return self._apply_rules(outcome) if said is None else said

    def _apply_rules(self, outcome: CutShort | Malformed) -> MessageStep:
        stop = stop_of(outcome)
        if isinstance(outcome, CutShort):
            return MessageStep(reward=self.rules.cut_short_reward, episode_done=True, stop=stop)
        told = f"Your last message could not be parsed: {outcome.reason}. Please try again."
        return MessageStep(
            reward=self.rules.malformed_reward,
            episode_done=self._malformed_in_a_row > self.rules.malformed_retries,
            messages=[Message(role="user", content=told)],
            stop=stop,
        )


def stop_of(outcome: CutShort | Malformed) -> StopReason:
    """The stop reason of an episode that ends with this turn."""
    return MaxTokens() if isinstance(outcome, CutShort) else ParseFailure(outcome.reason)


def _has_image(message: Message) -> bool:
    return any(isinstance(part, ImagePart) for part in message.content)
