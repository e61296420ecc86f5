"""An engine of this machine, and a sampler that says what a test's script says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from attrs import define, field
from tinker import types

from tinker_evals import Model
from tinker_render import Renderer, get_renderer
from tinker_render.testing import QWEN3_MARKUP, byte_tokenizer


@pytest.fixture(scope="session")
def qwen3() -> Renderer:
    """Qwen3's format, tools and reasoning included, over one token a byte."""
    return get_renderer("qwen3", byte_tokenizer(QWEN3_MARKUP))


@define
class ScriptedSampler:
    """Says one line after another."""

    renderer: Renderer
    lines: Iterator[str]
    asked: list[str] = field(factory=list)

    async def sample(
        self, prompt: types.ModelInput, num_samples: int, sampling_params: types.SamplingParams
    ) -> types.SampleResponse:
        """The next line, ended by the end of the turn."""
        tokenizer = self.renderer.tokenizer
        self.asked.append(str(tokenizer.decode(prompt.to_ints())))
        await asyncio.sleep(0)
        tokens = tokenizer.encode(next(self.lines) + "<|im_end|>", add_special_tokens=False)
        sequence = types.SampledSequence(
            sequence_id="scripted",
            tokens_np=np.array(tokens[: sampling_params.max_tokens], dtype=np.int32),
            logprobs_np=np.zeros(len(tokens[: sampling_params.max_tokens]), dtype=np.float32),
            stop_reason="stop",
        )
        return types.SampleResponse(sequences=[sequence])


@pytest.fixture
def saying(qwen3: Renderer) -> Callable[..., Model]:
    """Makes a model that says these lines."""

    def make(*lines: str) -> Model:
        client = ScriptedSampler(qwen3, iter(lines))
        return Model(name="scripted", client=client, renderer=qwen3)  # type: ignore[arg-type]

    return make


@pytest.fixture
def sums_file(tmp_path: Path) -> Path:
    """Ten sums of one digit as JSONL: question and answer."""
    file = tmp_path / "sums.jsonl"
    rows = [{"question": f"What is {a}+4?", "answer": str(a + 4)} for a in range(10)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file
