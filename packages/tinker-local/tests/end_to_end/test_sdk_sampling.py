"""The official SDK samples from the real engine: every public method of its sampling side."""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys

import numpy as np
import pytest
import tinker
from tinker import types

TINY = "local/tiny"
PROMPT = types.ModelInput.from_ints([5, 6, 7, 8])
GREEDY = types.SamplingParams(max_tokens=6, temperature=0.0, stop=[])


@pytest.fixture
def sampler(client):
    return client.create_sampling_client(base_model=TINY).result()


@pytest.fixture
def model(client):
    return client.create_lora_training_client(base_model=TINY, rank=4, seed=1).result()


def teach(model, steps=15):
    """Train until greedy samples change."""
    tokens = [5, 6, 7, 8, 90, 91, 92, 93, 94]
    datum = types.Datum(
        model_input=types.ModelInput.from_ints(tokens[:-1]),
        loss_fn_inputs={"target_tokens": tokens[1:], "weights": [1.0] * 8},
    )
    for _ in range(steps):
        model.forward_backward([datum], "cross_entropy")
        model.optim_step(types.AdamParams(learning_rate=1e-2)).result()


def greedy_sample(sampler):
    return sampler.sample(PROMPT, 1, GREEDY).result().sequences[0].tokens


def test_samples_have_ids_logprobs_and_a_reason_to_stop(sampler):
    params = types.SamplingParams(max_tokens=5, seed=3, stop=[])
    answer = sampler.sample(PROMPT, 3, params).result()
    assert len(answer.sequences) == 3
    assert len({sequence.sequence_id for sequence in answer.sequences}) == 3
    for sequence in answer.sequences:
        assert (len(sequence.tokens), sequence.stop_reason) == (5, "length")
        assert all(logprob <= 0 for logprob in sequence.logprobs)


def test_logprobs_of_a_prompt_are_those_of_a_forward_pass(model, client):
    targets = [6, 7, 8, 9]
    datum = types.Datum(
        model_input=PROMPT, loss_fn_inputs={"target_tokens": targets, "weights": [1.0] * 4}
    )
    trained = model.forward([datum], "cross_entropy").result().loss_fn_outputs[0]["logprobs"]
    sampler = model.save_weights_and_get_sampling_client().result()
    given = sampler.compute_logprobs(types.ModelInput.from_ints([5, *targets])).result()
    assert given[0] is None
    np.testing.assert_allclose(given[1:], trained.to_numpy(), atol=1e-5)


def test_every_prompt_option_is_answered_in_its_shape(sampler):
    targets = types.TensorData(data=[1, -1, 2, 3, -1, 4], dtype="int64", shape=[3, 2])
    answer = sampler.sample(
        PROMPT,
        1,
        types.SamplingParams(max_tokens=1),
        include_prompt_logprobs=True,
        topk_prompt_logprobs=3,
        topk_sample_logprobs=2,
        target_prompt_logprobs=targets,
        prompt_alt_tokens_k=2,
        prompt_logprobs_last_n=2,
    ).result()
    assert [logprob is None for logprob in answer.prompt_logprobs] == [True, True, False, False]
    assert [row and len(row) for row in answer.topk_prompt_logprobs] == [None, None, 3, 3]
    assert len(answer.sequences[0].topk_logprobs[0]) == 2
    answered = answer.target_prompt_logprobs.to_numpy()
    assert answered.shape == (3, 2)
    assert answered[0, 1] == answered[2, 0] == 0.0
    assert answer.prompt_alt_tokens.tokens.to_numpy().shape == (3, 2)


def test_new_weights_are_sampled_and_old_samplers_keep_theirs(model, sampler):
    before = model.save_weights_and_get_sampling_client().result()
    untrained = greedy_sample(before)
    assert untrained == greedy_sample(sampler), "a fresh LoRA changes nothing"
    teach(model)
    after = model.save_weights_and_get_sampling_client().result()
    assert greedy_sample(after)[0] == 90
    assert greedy_sample(before) == untrained


def test_an_inflight_sampler_follows_the_training(model):
    following = model.save_weights_and_get_sampling_client(kind="inflight").result()
    teach(model)
    model.save_weights_and_get_sampling_client(kind="inflight").result()
    assert greedy_sample(following)[0] == 90


def test_named_weights_are_sampled_by_their_path(model, client):
    teach(model)
    saved = model.save_weights_for_sampler("taught").result()
    by_path = client.create_sampling_client(model_path=saved.path).result()
    assert by_path.get_base_model() == TINY
    assert greedy_sample(by_path)[0] == 90
    again = model.create_sampling_client(saved.path).result()
    assert greedy_sample(again) == greedy_sample(by_path)


def test_many_requests_at_once_are_all_answered(sampler):
    params = types.SamplingParams(max_tokens=2, stop=[])
    futures = [
        sampler.sample(types.ModelInput.from_ints([5, 6 + i % 50]), 1, params) for i in range(1000)
    ]
    lengths = [len(future.result().sequences[0].tokens) for future in futures]
    assert lengths == [2] * 1000


def test_a_cancelled_sample_ends_and_the_others_go_on(sampler):
    endless = types.SamplingParams(max_tokens=900, stop=[])
    given_up = sampler.sample(PROMPT, 8, endless)

    async def impatient():
        with pytest.raises(asyncio.TimeoutError):
            await given_up.result_async(timeout=0.2)

    asyncio.run(impatient())
    assert len(greedy_sample(sampler)) == 6


@pytest.mark.parametrize(
    ("prompt", "params", "complaint"),
    [
        ([5, 100_000], {}, "100000"),
        ([5], {"max_tokens": 100_000}, "1024"),
        ([], {}, "no tokens"),
        ([5] * 2000, {}, "1024"),
        ([5], {"temperature": -1.0}, "temperature"),
    ],
)
def test_a_wrong_request_is_a_user_error_that_says_why(sampler, prompt, params, complaint):
    request = types.ModelInput.from_ints(prompt)
    with pytest.raises(tinker.RequestFailedError, match=complaint) as refused:
        sampler.sample(request, 1, types.SamplingParams(**params)).result()
    assert refused.value.category == "user"


def test_a_sampler_of_an_unknown_model_or_checkpoint_is_refused_at_once(client):
    with pytest.raises(tinker.APIStatusError, match="no-such/model"):
        client.create_sampling_client(base_model="no-such/model").result()
    with pytest.raises(tinker.NotFoundError, match="unknown checkpoint"):
        client.create_sampling_client(
            model_path="tinker://session-0:train:0/sampler_weights/x"
        ).result()


def test_a_sampler_works_in_another_process_and_as_a_copy(sampler):
    expected = greedy_sample(sampler)
    copy = pickle.loads(pickle.dumps(sampler))
    assert greedy_sample(copy) == expected
    program = (
        "import os, pickle, sys; from tinker import types\n"
        "sampler = pickle.load(sys.stdin.buffer)\n"
        "params = types.SamplingParams(max_tokens=6, temperature=0.0, stop=[])\n"
        "prompt = types.ModelInput.from_ints([5, 6, 7, 8])\n"
        "print(sampler.sample(prompt, 1, params).result().sequences[0].tokens, flush=True)\n"
        "os._exit(0)\n"  # the SDK's threads can abort an interpreter that is about to end
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        input=pickle.dumps(sampler),
        capture_output=True,
        check=True,
    )
    assert answer.stdout.decode().strip() == str(expected)
