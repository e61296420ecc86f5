"""A character-level ChatML tokenizer and a sampler that says what a test's script says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import tinker
from attrs import define, field
from tinker import types
from transformers import PreTrainedTokenizerFast

from tinker_evals import Model
from tinker_render import Renderer, get_renderer
from tinker_render.testing import QWEN3_MARKUP, byte_tokenizer

END = "<|im_end|>"


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    """One token a byte."""
    return byte_tokenizer()


@pytest.fixture(scope="session")
def renderer(tokenizer: PreTrainedTokenizerFast) -> Renderer:
    """Plain ChatML."""
    return get_renderer("chatml_plain", tokenizer)


@pytest.fixture
def calling() -> Callable[[str], Model]:
    """Makes a model of Qwen3's format, which has tools, that always says the same."""

    def make(said: str) -> Model:
        speaker = byte_tokenizer(QWEN3_MARKUP)
        client: Any = ScriptedSampler(speaker, lambda text, number: said)
        return Model(name="calling", client=client, renderer=get_renderer("qwen3", speaker))

    return make


Said = str | Exception
Script = Callable[[str, int], Said]
"""What to say to a prompt's text as the n-th of its samples; an error is raised."""


@define
class ScriptedSampler:
    """A sampling client whose words are a test's own. `asked` holds each prompt's text."""

    tokenizer: PreTrainedTokenizerFast
    script: Script
    asked: list[str] = field(factory=list)
    params: list[tinker.SamplingParams] = field(factory=list)
    open: int = 0
    most_open: int = 0

    async def sample(
        self, prompt: tinker.ModelInput, num_samples: int, sampling_params: tinker.SamplingParams
    ) -> types.SampleResponse:
        """The script's words, ended by the end of the turn where `max_tokens` leaves room."""
        text = self.tokenizer.decode(prompt.to_ints())
        self.asked.append(text)
        self.params.append(sampling_params)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        await asyncio.sleep(0)
        self.open -= 1
        said = [self.script(text, number) for number in range(num_samples)]
        errors = [words for words in said if isinstance(words, Exception)]
        if errors:
            raise errors[0]
        sequences = [self._sequence(str(words), sampling_params) for words in said]
        return types.SampleResponse(sequences=sequences)

    def _sequence(self, words: str, params: tinker.SamplingParams) -> types.SampledSequence:
        tokens = self.tokenizer.encode(words + END, add_special_tokens=False)
        cut = tokens[: params.max_tokens]
        return types.SampledSequence(
            sequence_id="scripted",
            tokens_np=np.array(cut, dtype=np.int32),
            logprobs_np=np.zeros(len(cut), dtype=np.float32),
            stop_reason="stop" if len(cut) == len(tokens) else "length",
        )

    async def compute_logprobs(self, prompt: tinker.ModelInput) -> list[float | None]:
        """A byte's logprob is minus its number: texts of early letters are likelier."""
        return [None, *(-float(token) for token in prompt.to_ints()[1:])]


@pytest.fixture
def scripted(renderer: Renderer) -> Callable[..., Model]:
    """Makes a model of a script: a function, or the one thing to say."""

    def make(script: Script | Said | Sequence[Said], name: str = "scripted") -> Model:
        if callable(script):
            chosen: Script = script
        elif isinstance(script, str | Exception):
            chosen = lambda text, number: script  # noqa: E731
        else:
            remaining = iter(script)
            chosen = lambda text, number: next(remaining)  # noqa: E731
        client: Any = ScriptedSampler(renderer.tokenizer, chosen)
        return Model(name=name, client=client, renderer=renderer)

    return make
