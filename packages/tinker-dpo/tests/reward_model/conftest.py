"""Comparisons, pairs and a sampler with scripted log-probabilities."""

from collections.abc import Callable

import pytest
from attrs import define, field

from tinker_core import Comparison
from tinker_core.testing import ReadyFuture
from tinker_data import PreferencePair


def messages(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


@pytest.fixture
def compare() -> Callable[[str, str], Comparison]:
    """A comparison of two replies to one prompt."""
    return lambda first, second: Comparison(
        prompt=messages("user", "q"),
        first=messages("assistant", first),
        second=messages("assistant", second),
    )


@pytest.fixture
def pair() -> Callable[[str, str], PreferencePair]:
    """A pair of replies to one prompt."""
    return lambda chosen, rejected: PreferencePair(
        prompt=messages("user", "q"),
        chosen=messages("assistant", chosen),
        rejected=messages("assistant", rejected),
    )


@define
class ScriptedSampler:
    """Gives the last token of a prompt a log-probability by a rule over the text."""

    renderer: object
    rule: object
    asked: list[str] = field(factory=list)

    def compute_logprobs(self, prompt):
        text = self.renderer.tokenizer.decode(prompt.to_ints())
        self.asked.append(text)
        return ReadyFuture(lambda: [None, *[-9.0] * (prompt.length - 2), self.rule(text)])


@pytest.fixture
def scripted(renderer) -> Callable[[Callable[[str], float]], ScriptedSampler]:
    """A sampler whose log-probabilities follow a rule."""
    return lambda rule: ScriptedSampler(renderer, rule)
