"""Prefix sharing, chunked prefill, preemption: they change what is computed, and no result."""

from __future__ import annotations

import numpy as np
import pytest
from sample_requests import forward, prompt, sample, tokens_of
from tiny_models import llama

from tinker_local.model.load import load_model
from tinker_local.sampling import batch_scheduler
from tinker_local.sampling.continuous_batching import Sampler


def test_a_shared_prompt_is_computed_once(base, run):
    sampler = Sampler(base)
    rows = []
    forward = sampler._cache.forward

    def counting(tokens, chunks, segments):
        rows.append(len(tokens))
        return forward(tokens, chunks, segments)

    sampler._cache.forward = counting
    same = prompt(50)
    requests = [sample(prompt=same, seed=i, max_tokens=4, num_samples=2) for i in range(8)]
    results = run(sampler, [(request, None) for request in requests])
    # 50 prompt tokens once, then the last prompt token and three drawn ones of the other samples
    assert sum(rows) == 50 + 3 + 15 * 4
    assert [result.cached_tokens for result in results] == [0] + [49] * 7
    longer = np.concatenate([same[:30], prompt(5, 77)])
    first = sampler.add(sample(prompt=same, max_tokens=10), None)
    sampler.step()
    second = sampler.add(sample(prompt=longer, temperature=0.0, max_tokens=3), None)
    outcomes = {}
    while not sampler.is_idle:
        outcomes.update(dict(sampler.step()))
    assert outcomes[second].cached_tokens == 30
    assert first in outcomes
    (fresh,) = run(Sampler(base), [(sample(prompt=longer, temperature=0.0, max_tokens=3), None)])
    assert tokens_of(outcomes[second]) == tokens_of(fresh)


def test_prompts_of_different_adapters_are_not_shared(base, trained, run, request_of):
    trainers = [trained(1), trained(2)]
    request = sample(20, 3)
    results = run(Sampler(base), [(request, trainer.adapter()) for trainer in trainers])
    for trainer, result in zip(trainers, results, strict=True):
        assert result.cached_tokens == 0
        full = np.concatenate([request.prompt, result.sequences[0].tokens])
        assert (
            np.abs(forward(trainer, request_of, full)[19:] - result.sequences[0].logprobs).max()
            < 1e-5
        )


@pytest.mark.parametrize("name", ["PREFILL_TOKENS", "MAX_RUNNING"])
def test_chunked_prefill_and_few_running_sequences_change_nothing(base, run, monkeypatch, name):
    requests = [
        (sample(20 + i, i, num_samples=2, prompt_logprobs=i % 2 == 0, topk_prompt_logprobs=2), None)
        for i in range(5)
    ]
    usual = run(Sampler(base), requests)
    monkeypatch.setattr(batch_scheduler, name, 3)
    changed = run(Sampler(base), requests)
    for ours, expected in zip(changed, usual, strict=True):
        assert tokens_of(ours) == tokens_of(expected)
        if expected.prompt_logprobs is not None:
            np.testing.assert_allclose(ours.prompt_logprobs, expected.prompt_logprobs, atol=1e-5)
        assert np.array_equal(ours.topk_prompt.ids, expected.topk_prompt.ids)


def test_waiting_for_room_in_a_full_cache_changes_nothing(base, run):
    requests = [(sample(10 + i, i, max_tokens=80), None) for i in range(6)]
    usual = run(Sampler(base), requests)
    tight = Sampler(base, cache_bytes=3 * 64 * 2 * 2 * 2 * 8 * 4)
    assert [tokens_of(r) for r in run(tight, requests)] == [tokens_of(r) for r in usual]


def test_a_preempted_sequence_is_recomputed_and_gives_the_same_sample(save_model, run):
    base = load_model(save_model(llama(max_position_embeddings=512)), name="long")
    requests = [
        (sample(60, i, max_tokens=150, num_samples=2, prompt_logprobs=True), None) for i in range(2)
    ]
    usual = run(Sampler(base), requests)
    bytes_per_token = 2 * 2 * 2 * 8 * 4
    # All four sequences start with room for 128 tokens, and only two can grow beyond that.
    tight = Sampler(base, cache_bytes=4 * 128 * bytes_per_token)
    groups = [tight.add(request, None) for request, _ in requests]
    running, waiting, outcomes = [], [], {}
    while not tight.is_idle:
        outcomes.update(dict(tight.step()))
        running.append(len(tight._scheduler.running))
        waiting.append(len(tight._scheduler.waiting))
    assert 4 in running
    assert 2 in waiting[running.index(4) :], "two were preempted"
    for group, expected in zip(groups, usual, strict=True):
        assert tokens_of(outcomes[group]) == tokens_of(expected)
        np.testing.assert_allclose(
            outcomes[group].prompt_logprobs, expected.prompt_logprobs, atol=1e-5
        )


def test_a_batch_prefills_no_more_prompt_tokens_than_its_budget(base, monkeypatch):
    monkeypatch.setattr(batch_scheduler, "PREFILL_TOKENS", 16)
    sampler = Sampler(base)
    rows = []
    forward = sampler._cache.forward

    def counting(tokens, chunks, segments):
        rows.append(sum(chunk.count for chunk in chunks if chunk.count > 1))
        return forward(tokens, chunks, segments)

    sampler._cache.forward = counting
    for seed in range(1, 5):
        sampler.add(sample(20, seed, max_tokens=12), None)
    while not sampler.is_idle:
        sampler.step()
    assert max(rows) == 16
    assert sum(rows) >= 4 * 20 - 4, "a chunk of one token counts as decoding"
