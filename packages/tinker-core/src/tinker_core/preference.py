"""Two responses to one prompt, and the interfaces of models that judge responses."""

from __future__ import annotations

from typing import Protocol

from attrs import evolve, field, frozen

from tinker_core.messages import Message
from tinker_core.openai_format import as_conversation


@frozen(kw_only=True)
class Comparison:
    """Two responses to one prompt, not judged yet."""

    prompt: tuple[Message, ...] = field(converter=as_conversation)
    first: tuple[Message, ...] = field(converter=as_conversation)
    second: tuple[Message, ...] = field(converter=as_conversation)

    @property
    def swapped(self) -> Comparison:
        """The comparison with the responses exchanged."""
        return evolve(self, first=self.second, second=self.first)


class PreferenceModel(Protocol):
    """The interface of a model that judges two responses."""

    async def prefer(self, comparison: Comparison) -> float:
        """The probability that the first response is the better one, 0 to 1; 0.5 is a tie."""
        ...


class RewardModel(Protocol):
    """The interface of a model that judges one response."""

    async def reward(self, prompt: tuple[Message, ...], response: tuple[Message, ...]) -> float:
        """The reward of the response, on any scale; higher is better."""
        ...
