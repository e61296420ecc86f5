"""Sampling against the trainer's forward pass, transformers' generate and brute force."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sample_requests import forward, prompt, sample, tokens_of

from tinker_local.errors import RequestError
from tinker_local.request_types import AdamParams, LoraSpec
from tinker_local.sampling.continuous_batching import Sampler


def test_logprobs_equal_the_trainers_whatever_else_is_in_the_batch(base, trained, request_of, run):
    trainers = [trained(1), trained(2, rank=8), trained(3, rank=2, train_mlp=False)]
    adapters = [trainer.adapter() for trainer in trainers]
    requests = [
        (sample(3 + 7 * i, i, num_samples=1 + i % 3, max_tokens=5 + 9 * (i % 4), top_p=0.9), i % 3)
        for i in range(10)
    ]
    requests += [(sample(40, 99, prompt_logprobs=True, temperature=1.5, top_k=20), 0)]
    results = run(Sampler(base), [(r, adapters[i]) for r, i in requests])
    for (request, i), result in zip(requests, results, strict=True):
        for sequence in result.sequences:
            full = np.concatenate([request.prompt, sequence.tokens])
            expected = forward(trainers[i], request_of, full)
            drawn = expected[len(request.prompt) - 1 :]
            assert np.abs(sequence.logprobs - drawn).max() < 1e-5
        if request.prompt_logprobs:
            assert np.isnan(result.prompt_logprobs[0])
            assert (
                np.abs(result.prompt_logprobs[1:] - expected[: len(request.prompt) - 1]).max()
                < 1e-5
            )


def test_greedy_sampling_is_transformers_generate(base, plain, run):
    requests = [sample(n, n, temperature=0.0, max_tokens=30) for n in (1, 2, 9, 33, 60)]
    results = run(Sampler(base), [(request, None) for request in requests])
    for request, result in zip(requests, results, strict=True):
        ids = torch.from_numpy(request.prompt)[None]
        expected = plain.generate(
            ids, do_sample=False, max_new_tokens=30, attention_mask=torch.ones_like(ids),
            eos_token_id=None, pad_token_id=0,
        )  # fmt: skip
        assert tokens_of(result) == [expected[0, len(request.prompt) :].tolist()]
        assert result.sequences[0].stop_reason == "length"


def test_a_seed_gives_the_same_tokens_alone_and_in_a_batch(base, trained, run):
    adapter = trained(1).adapter()
    request = sample(9, 5, num_samples=3, max_tokens=20)
    (alone,) = run(Sampler(base), [(request, adapter)])
    crowd = [(sample(4 + i, 50 + i, num_samples=2, max_tokens=15), None) for i in range(6)]
    *_, crowded = run(Sampler(base), [*crowd, (request, adapter)])
    assert tokens_of(alone) == tokens_of(crowded)
    assert len({tuple(tokens) for tokens in tokens_of(alone)}) == 3


def test_another_seed_or_none_gives_other_tokens(base, run):
    same = prompt(9)
    requests = [sample(prompt=same, seed=seed, max_tokens=20) for seed in (1, 2, None, None, -1)]
    results = run(Sampler(base), [(request, None) for request in requests])
    assert len({tuple(tokens_of(result)[0]) for result in results}) == 5


def test_an_adapter_is_a_frozen_copy(base, trained, datum, request_of, run):
    trainer = trained(1)
    adapter = trainer.adapter()
    request = sample(9, 3)
    (before,) = run(Sampler(base), [(request, adapter)])
    trainer.loss(request_of(datum(9)))
    trainer.optim_step(AdamParams(learning_rate=0.1))
    (after,) = run(Sampler(base), [(request, adapter)])
    (newer,) = run(Sampler(base), [(request, trainer.adapter())])
    assert np.array_equal(before.sequences[0].logprobs, after.sequences[0].logprobs)
    assert not np.array_equal(before.sequences[0].logprobs[:1], newer.sequences[0].logprobs[:1])


def test_an_adapter_from_its_state_is_the_same(base, trained, run):
    trainer = trained(1, train_unembed=False)
    state = trainer.state(optimizer=False)
    spec = LoraSpec(rank=4, train_unembed=False)
    loaded = base.load_adapter(spec, state)
    ours, theirs = run(Sampler(base), [(sample(9, 3), loaded), (sample(9, 3), trainer.adapter())])
    assert tokens_of(ours) == tokens_of(theirs)
    with pytest.raises(RequestError, match=r"lora_A.weight has shape"):
        base.load_adapter(LoraSpec(rank=8, train_unembed=False), state)
    with pytest.raises(RequestError, match="the checkpoint lacks"):
        base.load_adapter(LoraSpec(rank=4), state)


def test_weights_that_are_not_finite_fail_their_own_request_only(base, trained, run):
    trainer = trained(1)
    state = {name: tensor * float("nan") for name, tensor in trainer.state(optimizer=False).items()}
    trainer.load_state(state, optimizer=False)
    sampler = Sampler(base)
    broken = sampler.add(sample(9, num_samples=3), trainer.adapter())
    whole = sampler.add(sample(9, 3), None)
    outcomes = []
    while not sampler.is_idle:
        outcomes += sampler.step()
    assert len(outcomes) == 2
    assert "not finite" in str(dict(outcomes)[broken])
    (again,) = run(sampler, [(sample(9, 3), None)])
    assert tokens_of(dict(outcomes)[whole]) == tokens_of(again)


def test_nan_that_a_sequence_leaves_in_the_cache_reaches_no_other(base, trained, run):
    trainer = trained(1)
    state = {name: tensor * float("nan") for name, tensor in trainer.state(optimizer=False).items()}
    trainer.load_state(state, optimizer=False)
    (alone,) = run(Sampler(base), [(sample(3, 3), None)])
    sampler = Sampler(base)
    sampler.add(sample(60, 1, max_tokens=30), None)
    sampler.add(sample(60, 2, max_tokens=30), trainer.adapter())
    while not sampler.step():  # until the broken one has failed
        pass
    after = sampler.add(sample(3, 3), None)  # in its place, beside a longer neighbour
    outcomes = {}
    while not sampler.is_idle:
        outcomes.update(dict(sampler.step()))
    assert tokens_of(outcomes[after]) == tokens_of(alone)


def test_one_sample_that_fails_fails_its_request_once(untied, run):
    request = sample(9, 3, num_samples=3, max_tokens=2)
    (usual,) = run(Sampler(untied), [(request, None)])
    firsts = [tokens[0] for tokens in tokens_of(usual)]
    assert len(set(firsts)) == 3
    untied.network.get_input_embeddings().weight[firsts[1]] = float("nan")
    sampler = Sampler(untied)
    group = sampler.add(request, None)
    outcomes = []
    while not sampler.is_idle:
        outcomes += sampler.step()
    assert [t for t, _ in outcomes] == [group]
    assert "sample 1" in str(outcomes[0][1])


def test_a_cancelled_request_leaves_the_others_running(base, run):
    sampler = Sampler(base)
    doomed = sampler.add(sample(9, 1, num_samples=3), None)
    kept = sampler.add(sample(9, 2), None)
    sampler.step()
    sampler.step()
    sampler.cancel(doomed)
    outcomes = []
    while not sampler.is_idle:
        outcomes += sampler.step()
    assert [group for group, _ in outcomes] == [kept]
    (alone,) = run(Sampler(base), [(sample(9, 2), None)])
    assert tokens_of(outcomes[0][1]) == tokens_of(alone)
    assert sampler.step() == []
