"""Held-out likelihood is the sum made by hand, and the same for both kinds of clients."""

import asyncio
import math
from pathlib import Path

import pytest
import tinker

from tinker_core import DataError
from tinker_core.testing import BigramService
from tinker_evals import (
    held_out,
)
from tinker_render import Renderer

CHATS = [
    [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hé"}],
    [{"role": "user", "content": "so"}, {"role": "assistant", "content": "what"}],
]


def train(service: BigramService, renderer: Renderer, steps: int):  # type: ignore[no-untyped-def]
    client = service.create_lora_training_client("any").result()
    for _ in range(steps):
        client.forward_backward(list(held_out(CHATS, renderer).datums), "cross_entropy")
        client.optim_step(tinker.AdamParams(learning_rate=0.5))
    return client


def test_an_untrained_model_has_the_likelihood_of_chance(
    tmp_path: Path, renderer: Renderer
) -> None:
    service = BigramService(tmp_path, vocab_size=512)
    client = train(service, renderer, steps=0)
    metrics = asyncio.run(held_out(CHATS, renderer).training_nll(client))  # type: ignore[arg-type]
    # é has two bytes and two tokens; the end of each turn is predicted, and no text
    assert metrics["num_tokens"] == (3 + 1) + (4 + 1)
    assert metrics["nll"] == pytest.approx(math.log(512))
    assert metrics["bits_per_byte"] == pytest.approx(9 * 9 / (3 + 4))


def test_both_kinds_of_client_agree(tmp_path: Path, renderer: Renderer) -> None:
    client = train(BigramService(tmp_path, vocab_size=512), renderer, steps=3)
    data = held_out(CHATS, renderer)
    training = asyncio.run(data.training_nll(client))
    sampler = client.save_weights_and_get_sampling_client().result()
    sampling = asyncio.run(data.sampling_nll(sampler))
    assert sampling == pytest.approx(dict(training), rel=1e-6)
    assert sampling["nll"] < math.log(512)


def test_what_is_submitted_later_does_not_change_what_is_measured(
    tmp_path: Path, renderer: Renderer
) -> None:
    client = train(BigramService(tmp_path, vocab_size=512), renderer, steps=0)
    data = held_out(CHATS, renderer)
    waiting = data.training_nll(client)
    client.forward_backward(list(data.datums), "cross_entropy")
    client.optim_step(tinker.AdamParams(learning_rate=0.5))

    async def metrics() -> float:
        return (await waiting)["nll"]

    assert asyncio.run(metrics()) == pytest.approx(math.log(512))


def test_a_conversation_without_an_answer_is_named(renderer: Renderer) -> None:
    with pytest.raises(DataError, match="2"):
        held_out([CHATS[0], [{"role": "user", "content": "hi"}]], renderer)
