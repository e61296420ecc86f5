"""Two responses beside each other, and what can judge them: a model, a person, a rule."""

from __future__ import annotations

from typing import Protocol

from attrs import evolve, field, frozen

from tinker_core.messages import Message, as_conversation


@frozen(kw_only=True)
class Comparison:
    """Two responses to one prompt, neither of them better yet."""

    prompt: tuple[Message, ...] = field(converter=as_conversation)
    first: tuple[Message, ...] = field(converter=as_conversation)
    second: tuple[Message, ...] = field(converter=as_conversation)

    @property
    def swapped(self) -> Comparison:
        """The same in the other order."""
        return evolve(self, first=self.second, second=self.first)


class PreferenceModel(Protocol):
    """Something that judges two responses."""

    async def prefer(self, comparison: Comparison) -> float:
        """The probability that the first response is the better one, 0 to 1; 0.5 is a tie."""
        ...


class RewardModel(Protocol):
    """Something that judges one response."""

    async def reward(self, prompt: tuple[Message, ...], response: tuple[Message, ...]) -> float:
        """How good the response is; of any scale, higher is better."""
        ...
