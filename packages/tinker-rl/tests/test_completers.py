"""Completers on sampling clients that answer as they are told to."""

import asyncio
from typing import Any

import pytest
import tinker
from attrs import define

from tinker_core import EngineError
from tinker_rl import EngineMessageCompleter, EngineTokenCompleter


@define
class Answers:
    """A sampling client that sends what it is given."""

    sequences: list[Any]

    async def _response(self) -> Any:
        return tinker.types.SampleResponse(sequences=self.sequences)

    def sample(self, prompt: Any, num_samples: int, params: Any) -> Any:
        return self._response()


@pytest.mark.parametrize(
    ("sequences", "problem"),
    [
        ([], "returned 0 sequences instead of 1"),
        (
            [tinker.types.SampledSequence(stop_reason="stop", sequence_id="x", _tokens_list=[2])],
            "no logprobs",
        ),
    ],
)
def test_an_engine_that_answers_wrongly_is_told_so(sequences: list[Any], problem: str) -> None:
    """Fewer samples than asked for; samples without logprobs."""
    with pytest.raises(EngineError, match=problem):
        asyncio.run(sample_one(EngineTokenCompleter(Answers(sequences))))  # type: ignore[arg-type]


async def sample_one(complete: EngineTokenCompleter) -> None:
    await complete(tinker.ModelInput.from_ints([1]), [9])


def test_a_message_completer_renders_samples_and_parses(renderer: Any, scripted: Any) -> None:
    said = [*renderer.tokenizer.encode("4", add_special_tokens=False)]
    sampler = scripted(lambda prompt, sample: [*said, *renderer.get_stop_sequences()])
    complete = EngineMessageCompleter(client=sampler, renderer=renderer)
    outcome = asyncio.run(complete([{"role": "user", "content": "2+2"}], seed=3))
    assert outcome.message.text == "4"
    assert sampler.calls[0][2].seed == 3
