"""Evaluators run on one snapshot at the same time; held-out likelihood is the hand-made sum."""

import asyncio
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import tinker

from tinker_core import DataError
from tinker_core.testing import BigramService
from tinker_evals import (
    Model,
    SamplingNll,
    Settings,
    TaskEvaluator,
    TrainingNll,
    evaluate,
    held_out,
)
from tinker_evals.tasks import TASKS
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
    metrics = asyncio.run(TrainingNll(data=held_out(CHATS, renderer))(client))  # type: ignore[arg-type]
    # é has two bytes and two tokens; the end of each turn is predicted, and no text
    assert metrics["num_tokens"] == (3 + 1) + (4 + 1)
    assert metrics["nll"] == pytest.approx(math.log(512))
    assert metrics["bits_per_byte"] == pytest.approx(9 * 9 / (3 + 4))


def test_both_kinds_of_client_agree(tmp_path: Path, renderer: Renderer) -> None:
    client = train(BigramService(tmp_path, vocab_size=512), renderer, steps=3)
    data = held_out(CHATS, renderer)
    training = asyncio.run(TrainingNll(data=data)(client))
    sampler = client.save_weights_and_get_sampling_client().result()
    sampling = asyncio.run(SamplingNll(data=data)(sampler))
    assert sampling == pytest.approx(dict(training), rel=1e-6)
    assert sampling["nll"] < math.log(512)


def test_what_is_submitted_later_does_not_change_what_is_measured(
    tmp_path: Path, renderer: Renderer
) -> None:
    client = train(BigramService(tmp_path, vocab_size=512), renderer, steps=0)
    data = held_out(CHATS, renderer)
    waiting = TrainingNll(data=data)(client)
    client.forward_backward(list(data.datums), "cross_entropy")
    client.optim_step(tinker.AdamParams(learning_rate=0.5))

    async def metrics() -> float:
        return (await waiting)["nll"]

    assert asyncio.run(metrics()) == pytest.approx(math.log(512))


def test_a_conversation_without_an_answer_is_named(renderer: Renderer) -> None:
    with pytest.raises(DataError, match="2"):
        held_out([CHATS[0], [{"role": "user", "content": "hi"}]], renderer)


def test_a_function_is_an_evaluator(scripted: Callable[..., Model]) -> None:
    async def length(client: object) -> dict[str, float]:
        return {"length": 3.0}

    found = asyncio.run(evaluate(scripted("").client, {"mine": length, "again": length}))
    assert found == {"mine/length": 3.0, "again/length": 3.0}


def test_evaluators_run_at_the_same_time() -> None:
    barrier = asyncio.Barrier(2)

    async def waits_for_the_other(client: object) -> dict[str, float]:
        place = await asyncio.wait_for(barrier.wait(), 5)  # alone it would wait in vain
        return {"place": float(place)}

    found = asyncio.run(evaluate(None, {"a": waits_for_the_other, "b": waits_for_the_other}))
    assert found.keys() == {"a/place", "b/place"}
    assert set(found.values()) == {0.0, 1.0}


def test_an_evaluator_that_fails_stops_the_others_and_is_heard() -> None:
    stopped = []

    async def fails(client: object) -> dict[str, float]:
        raise ValueError("this one")

    async def waits(client: object) -> dict[str, float]:
        try:
            await asyncio.sleep(60)
        finally:
            stopped.append(True)
        return {}

    with pytest.raises(ValueError, match="this one"):
        asyncio.run(evaluate(None, {"a": waits, "b": fails}))
    assert stopped


def test_a_task_is_an_evaluator_and_keeps_each_snapshots_replies(
    tmp_path: Path, scripted: Callable[..., Model]
) -> None:
    model = scripted(["33"] * 5 + ["44"] * 5)
    evaluator = TaskEvaluator(
        task=TASKS["sums"],
        renderer=model.renderer,
        settings=Settings(limit=5, concurrency=1),
        folder=tmp_path / "transcripts",
    )
    first = asyncio.run(evaluator(model.client))
    second = asyncio.run(evaluator(model.client))
    assert 0 <= first["strict"] <= 1
    assert first["strict_standard_error"] >= 0
    assert first["truncated_share"] == 0
    assert set(first) == set(second)
    replies = [(tmp_path / "transcripts" / n / "samples.jsonl").read_text() for n in "01"]
    assert '"reply": "33"' in replies[0]
    assert '"reply": "44"' in replies[1]
