"""Completers: tokens for the model in training, messages for judges and opponents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import tinker
from attrs import field, frozen, validators

from tinker_core import EngineError, Message, Outcome, ToolSpec
from tinker_core.engine.errors import engine_errors
from tinker_core.validators import non_negative
from tinker_render import Renderer
from tinker_rl.trajectory import Action, Observation, StopCondition


class TokenCompleter(Protocol):
    """Completes a prompt by one turn."""

    async def __call__(
        self,
        prompt: Observation,
        stop: StopCondition,
        *,
        max_tokens: int | None = None,
        seed: int | None = None,
    ) -> Action:
        """The model's turn, at most `max_tokens` tokens long."""
        ...


@runtime_checkable
class ManyTokenCompleter(TokenCompleter, Protocol):
    """A TokenCompleter that samples several completions of one prompt in one call."""

    async def many(
        self,
        prompt: Observation,
        stop: StopCondition,
        count: int,
        *,
        max_tokens: int | None = None,
        seed: int | None = None,
    ) -> list[Action]:
        """`count` independent turns."""
        ...


class MessageCompleter(Protocol):
    """Completes a conversation by one message."""

    async def __call__(
        self, messages: Sequence[Message | Mapping[str, Any]], *, seed: int | None = None
    ) -> Outcome:
        """The outcome of the model's turn."""
        ...


@frozen(kw_only=True)
class Sampling:
    """Sampling settings."""

    max_tokens: int = field(default=256, validator=validators.gt(0))
    """Greatest number of tokens of a turn."""
    temperature: float = field(default=1.0, validator=non_negative)
    """Losses assume 1: the engine returns logprobs at temperature 1."""
    top_p: float = field(
        default=1.0, validator=validators.and_(validators.gt(0.0), validators.le(1.0))
    )
    top_k: int = -1
    """Number of most likely tokens to sample from; -1 means all."""

    @property
    def changes(self) -> str:
        """The settings under which tokens have other probabilities than their logprobs say.

        An engine returns the logprobs of temperature 1 without top-p and top-k. Empty for none.
        """
        defaults = Sampling()
        names = ("temperature", "top_p", "top_k")
        changed = [name for name in names if getattr(self, name) != getattr(defaults, name)]
        return ", ".join(f"{name}={getattr(self, name)}" for name in changed)


@frozen
class EngineTokenCompleter:
    """A TokenCompleter on a sampling client."""

    client: tinker.SamplingClient
    sampling: Sampling = Sampling()

    async def __call__(
        self,
        prompt: Observation,
        stop: StopCondition,
        *,
        max_tokens: int | None = None,
        seed: int | None = None,
    ) -> Action:
        """One turn. Raises EngineError."""
        return (await self.many(prompt, stop, 1, max_tokens=max_tokens, seed=seed))[0]

    async def many(
        self,
        prompt: Observation,
        stop: StopCondition,
        count: int,
        *,
        max_tokens: int | None = None,
        seed: int | None = None,
    ) -> list[Action]:
        """Several turns in one call. Raises EngineError."""
        limit = self.sampling.max_tokens
        params = tinker.SamplingParams(
            max_tokens=limit if max_tokens is None else min(limit, max_tokens),
            temperature=self.sampling.temperature,
            top_p=self.sampling.top_p,
            top_k=self.sampling.top_k,
            stop=stop,
            seed=seed,
        )
        with engine_errors(f"sample after a prompt of {prompt.length} tokens"):
            response = await self.client.sample(prompt, count, params)
        if len(response.sequences) != count:
            raise EngineError(
                f"sample returned {len(response.sequences)} sequences instead of {count}"
            )
        return [_action(sequence) for sequence in response.sequences]


def _action(sequence: tinker.SampledSequence) -> Action:
    if sequence.logprobs is None:
        raise EngineError("sample returned no logprobs, which training needs")
    return Action(
        tokens=sequence.tokens, logprobs=sequence.logprobs, stop_reason=sequence.stop_reason
    )


@frozen(kw_only=True)
class EngineMessageCompleter:
    """A MessageCompleter on a sampling client: render, sample, parse."""

    client: tinker.SamplingClient
    renderer: Renderer
    sampling: Sampling = Sampling()
    tools: tuple[ToolSpec, ...] = ()
    """Tools in the prompt."""

    async def __call__(
        self, messages: Sequence[Message | Mapping[str, Any]], *, seed: int | None = None
    ) -> Outcome:
        """The outcome of the model's turn. Raises EngineError."""
        prompt = self.renderer.build_generation_prompt(messages, tools=self.tools)
        complete = EngineTokenCompleter(self.client, self.sampling)
        action = await complete(prompt, self.renderer.get_stop_sequences(), seed=seed)
        return self.renderer.parse_response(action.tokens, tools=self.tools)
