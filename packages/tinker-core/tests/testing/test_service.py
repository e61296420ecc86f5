"""The test double as loops use it."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
import tinker

from tinker_core import next_token_datum
from tinker_core.testing import BigramService


def test_cross_entropy_of_a_blank_model_is_log_of_the_vocabulary(tmp_path: Path) -> None:
    client = BigramService(tmp_path, vocab_size=8).create_lora_training_client("m").result()
    output = client.forward([next_token_datum([1, 2, 3], weights=[0, 1, 2])], "cross_entropy")
    assert output.result().metrics["loss:sum"] == pytest.approx(3 * np.log(8))


def test_it_learns_and_its_checkpoints_outlive_it(tmp_path: Path) -> None:
    data = [next_token_datum([1, 2, 3, 1, 2, 3], weights=np.ones(6))]
    service = BigramService(tmp_path, vocab_size=8)
    client = service.create_lora_training_client("m").result()

    def step(client: object) -> float:
        loss = client.forward_backward(data, "cross_entropy").result().metrics["loss:sum"]
        client.optim_step(tinker.AdamParams(learning_rate=0.1)).result()
        return loss

    losses = [step(client) for _ in range(10)]
    assert losses[-1] < losses[0] / 2
    path = client.save_state("ten").result().path
    again = BigramService(tmp_path, vocab_size=8)
    resumed = again.create_training_client_from_state_with_optimizer(path).result()
    cold = again.create_training_client_from_state(path).result()
    continued = [step(client) for _ in range(3)]
    assert [step(resumed) for _ in range(3)] == continued
    assert [step(cold) for _ in range(3)] != continued
    sampler = again.create_sampling_client(model_path=path).result()
    params = tinker.SamplingParams(max_tokens=5, temperature=0, stop=[3])
    answer = sampler.sample(tinker.ModelInput.from_ints([1]), 2, params).result()
    assert [sequence.tokens for sequence in answer.sequences] == [[2, 3], [2, 3]]
    assert answer.sequences[0].stop_reason == "stop"


def test_a_seeded_request_repeats_itself_and_its_samples_differ(tmp_path: Path) -> None:
    sampler = BigramService(tmp_path).create_sampling_client(base_model="m").result()
    params = tinker.SamplingParams(max_tokens=8, seed=3)
    prompt = tinker.ModelInput.from_ints([1])
    first, second = (sampler.sample(prompt, 2, params).result() for _ in range(2))
    assert [s.tokens for s in first.sequences] == [s.tokens for s in second.sequences]
    assert first.sequences[0].tokens != first.sequences[1].tokens


def test_a_refusal_comes_through_the_future(tmp_path: Path) -> None:
    client = BigramService(tmp_path).create_lora_training_client("m").result()
    future = client.forward_backward([next_token_datum([1, 2], weights=[1, 1])], "mystery")
    with pytest.raises(tinker.RequestFailedError, match="mystery"):
        future.result()

    async def wait() -> None:
        await future

    with pytest.raises(tinker.RequestFailedError):
        asyncio.run(wait())


def test_checkpoints_are_listed_with_the_metadata_of_their_own_save(tmp_path: Path) -> None:
    service = BigramService(tmp_path)
    client = service.create_lora_training_client("m").result()
    state = client.save_state("a.1", user_metadata={"step": "1"}).result().path
    sampler = client.save_weights_for_sampler("a.1", user_metadata={"step": "2"}).result().path
    plain = client.save_state("b").result().path
    rows = service.create_rest_client().list_checkpoints(client.model_id).result().checkpoints
    kept = {row.tinker_path: row.user_metadata for row in rows}
    assert kept == {state: {"step": "1"}, sampler: {"step": "2"}, plain: None}
    assert {row.tinker_path: row.checkpoint_type for row in rows}[sampler] == "sampler"
    with pytest.raises(tinker.RequestFailedError, match="no training run other"):
        service.create_rest_client().list_checkpoints("other").result()
