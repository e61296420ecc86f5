"""Logprobs of prompts against plain transformers."""

from __future__ import annotations

import numpy as np
import torch
from sample_requests import prompt, sample

from tinker_local.sampling.continuous_batching import Sampler


def test_prompt_options_are_the_plain_models_logprobs(base, plain, run):
    given = prompt(30)
    with torch.no_grad():
        logp = plain(torch.from_numpy(given)[None]).logits[0].log_softmax(-1)
    targets = np.random.default_rng(1).integers(0, 260, (29, 3))
    targets[4, 1] = -1
    request = sample(
        prompt=given, prompt_logprobs=True, topk_prompt_logprobs=4, topk_sample_logprobs=3,
        target_prompt_logprobs=targets, prompt_alt_tokens_k=5, num_samples=2,
    )  # fmt: skip
    (result,) = run(Sampler(base), [(request, None)])
    following = torch.from_numpy(given[1:, None])
    np.testing.assert_allclose(
        result.prompt_logprobs[1:], logp[:-1].gather(-1, following)[:, 0], atol=1e-5
    )
    best, ids = logp[:-1].topk(4)
    assert np.array_equal(result.topk_prompt.ids[1:], ids)
    np.testing.assert_allclose(result.topk_prompt.logprobs[1:], best, atol=1e-5)
    assert result.topk_prompt.ids[0].tolist() == [0] * 4
    assert result.topk_prompt.logprobs[0].tolist() == [-99999.0] * 4
    wanted = logp[:-1].gather(-1, torch.from_numpy(np.maximum(targets, 0))).numpy()
    wanted[4, 1] = 0.0
    np.testing.assert_allclose(result.target_prompt_logprobs, wanted, atol=1e-5)
    alternatives = torch.from_numpy(result.alt_tokens).long()
    assert alternatives.shape == (29, 5)
    np.testing.assert_allclose(result.alt_logprobs, logp[:-1].gather(-1, alternatives), atol=1e-5)
    for sequence in result.sequences:
        full = np.concatenate([given, sequence.tokens]).astype(np.int64)
        with torch.no_grad():
            after = plain(torch.from_numpy(full)[None]).logits[0, 29:-1].log_softmax(-1)
        assert np.array_equal(sequence.topk.ids, after.topk(3).indices)
        np.testing.assert_allclose(sequence.topk.logprobs, after.topk(3).values, atol=1e-5)


def test_prompt_alternatives_follow_the_temperature_and_the_seed(base, plain, run):
    given = prompt(5)
    with torch.no_grad():
        logits = plain(torch.from_numpy(given)[None]).logits[0]
    request = sample(prompt=given, prompt_alt_tokens_k=260, temperature=0.5)
    first, second, greedy = run(
        Sampler(base),
        [
            (request, None),
            (request, None),
            (sample(prompt=given, prompt_alt_tokens_k=2, temperature=0.0), None),
        ],
    )
    assert np.array_equal(first.alt_tokens, second.alt_tokens)
    assert (greedy.alt_tokens == logits[:-1].argmax(-1, keepdim=True).numpy()).all()
    for row in range(4):
        expected = torch.softmax(logits[row] / 0.5, -1).numpy()
        counts = np.bincount(first.alt_tokens[row], minlength=260) / 260
        assert np.abs(counts - expected).sum() / 2 < 0.35  # total variation; 1 if unrelated


def test_only_the_last_n_prompt_tokens_are_scored_when_asked(base, run):
    whole = sample(20, 2, prompt_logprobs=True, topk_prompt_logprobs=2)
    last = sample(20, 2, prompt_logprobs=True, topk_prompt_logprobs=2, prompt_logprobs_last_n=3)
    all_of, some_of = run(Sampler(base), [(whole, None), (last, None)])
    assert np.isnan(some_of.prompt_logprobs[:-3]).all()
    np.testing.assert_allclose(some_of.prompt_logprobs[-3:], all_of.prompt_logprobs[-3:], atol=1e-5)
    assert (some_of.topk_prompt.logprobs[:-3] == -99999.0).all()
    assert np.array_equal(some_of.topk_prompt.ids[-3:], all_of.topk_prompt.ids[-3:])
    assert some_of.cached_tokens == 16  # what the last n do not need
