"""Sampling against the trainer's forward, transformers' generate and brute force."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tinker_local.errors import RequestError
from tinker_local.request_types import AdamParams, Datum, LoraSpec, SampleRequest
from tinker_local.sampling import batch_scheduler
from tinker_local.sampling.continuous_batching import Sampler

NO_STOP: frozenset[int] = frozenset()


def prompt(length: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([7, abs(seed)]).integers(0, 256, length)


def sample(length: int = 6, seed: int = 0, **options) -> SampleRequest:
    return SampleRequest(
        **{
            "prompt": prompt(length, seed or 0),
            "max_tokens": 8,
            "stop_tokens": NO_STOP,
            "seed": seed,
            **options,
        }
    )


def tokens_of(result) -> list[list[int]]:
    return [sequence.tokens.tolist() for sequence in result.sequences]


def forward(trainer, request_of, tokens) -> np.ndarray:
    """The trainer's logprobs of tokens[1:]."""
    tokens = np.asarray(tokens, np.int64)
    data = Datum(tokens=tokens[:-1], inputs={"target_tokens": tokens[1:]})
    return trainer.loss(request_of(data, forward_only=True)).outputs[0]["logprobs"]


def test_logprobs_are_the_trainers_whatever_is_served_beside(base, trained, request_of, run):
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


def test_a_seed_gives_the_same_tokens_alone_and_in_a_crowd(base, trained, run):
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
def test_prompts_in_pieces_and_short_queues_change_nothing(base, run, monkeypatch, name):
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


def test_a_full_cache_delays_sequences_and_changes_nothing(base, run):
    requests = [(sample(10 + i, i, max_tokens=80), None) for i in range(6)]
    usual = run(Sampler(base), requests)
    tight = Sampler(base, cache_bytes=3 * 64 * 2 * 2 * 2 * 8 * 4)
    assert [tokens_of(r) for r in run(tight, requests)] == [tokens_of(r) for r in usual]


def test_the_stop_token_is_included_and_ends_the_sequence(base, run):
    (free,) = run(Sampler(base), [(sample(6, 4, max_tokens=12), None)])
    tokens = tokens_of(free)[0]
    stop = tokens[5]
    (stopped,) = run(
        Sampler(base), [(sample(6, 4, max_tokens=12, stop_tokens=frozenset({stop})), None)]
    )
    assert tokens_of(stopped)[0] == tokens[: tokens.index(stop) + 1]
    assert stopped.sequences[0].stop_reason == "stop"
    assert len(stopped.sequences[0].logprobs) == tokens.index(stop) + 1


def test_without_stop_tokens_named_the_models_own_ends_the_sequence(base, run):
    assert base.eos_tokens == {257}
    request = sample(6, 4, num_samples=64, max_tokens=60, temperature=2.0, stop_tokens=None)
    (result,) = run(Sampler(base), [(request, None)])
    stopped = [s for s in result.sequences if s.stop_reason == "stop"]
    assert stopped
    assert all(s.tokens[-1] == 257 for s in stopped)
    assert all(257 not in s.tokens[:-1] for s in result.sequences)
    (free,) = run(
        Sampler(base), [(sample(6, 4, num_samples=64, max_tokens=60, temperature=2.0), None)]
    )
    assert {s.stop_reason for s in free.sequences} == {"length"}


def test_a_stop_string_ends_with_the_token_that_completes_it(base, run):
    (free,) = run(Sampler(base), [(sample(6, 4, max_tokens=40), None)])
    tokens = tokens_of(free)[0]
    letters = [base.tokenizer.decode([token]) for token in tokens]
    # one byte a token: the first two neighbours that are characters by themselves
    at = next(i for i in range(39) if (letters[i] + letters[i + 1]).isascii())
    strings = ("never there", letters[at] + letters[at + 1])
    (stopped,) = run(Sampler(base), [(sample(6, 4, max_tokens=40, stop_strings=strings), None)])
    assert tokens_of(stopped)[0] == tokens[: at + 2]
    assert stopped.sequences[0].stop_reason == "stop"


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


def test_what_a_broken_sequence_leaves_in_the_cache_harms_nobody(base, trained, run):
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


def test_without_max_tokens_the_context_is_filled(base, run):
    requests = [sample(90, 1, max_tokens=None), sample(90, 1, max_tokens=0, prompt_logprobs=True)]
    filled, nothing = run(Sampler(base), [(request, None) for request in requests])
    assert len(filled.sequences[0].tokens) == 6
    assert filled.sequences[0].stop_reason == "length"
    assert tokens_of(nothing) == [[]]
    assert np.isfinite(nothing.prompt_logprobs[1:]).all()


def test_a_cancelled_request_is_gone_and_the_others_go_on(base, run):
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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"length": 90, "max_tokens": 7},
            "90 prompt tokens and 7 to sample .* context length of 96",
        ),
        ({"length": 96, "max_tokens": None}, "96 prompt tokens and 1 to sample"),
        ({"length": 0}, "the prompt is empty"),
        ({"prompt": np.array([1, 260])}, r"prompt: token 260 at \[1\]"),
        ({"num_samples": 0}, "num_samples 0"),
        ({"max_tokens": -1}, "max_tokens -1"),
        ({"temperature": -0.1}, "temperature -0.1"),
        ({"temperature": float("nan")}, "temperature nan"),
        ({"top_p": 0.0}, "top_p 0.0"),
        ({"top_p": 1.1}, "top_p 1.1"),
        ({"top_k": 0}, "top_k 0"),
        ({"top_k": -2}, "top_k -2"),
        ({"stop_strings": ("",)}, "a stop string is empty"),
        ({"topk_prompt_logprobs": 261}, "topk_prompt_logprobs 261"),
        ({"topk_sample_logprobs": -1}, "topk_sample_logprobs -1"),
        ({"prompt_alt_tokens_k": 261}, "prompt_alt_tokens_k 261"),
        ({"prompt_logprobs_last_n": 2}, "prompt_logprobs_last_n 2: it needs prompt_logprobs"),
        ({"prompt_logprobs_last_n": 6, "prompt_logprobs": True}, "from 1 to 5"),
        ({"target_prompt_logprobs": np.zeros((6, 1), int)}, r"shape \(6, 1\), .* needs \(5, K\)"),
        ({"target_prompt_logprobs": np.full((5, 1), 260)}, "target_prompt_logprobs: token 260"),
    ],
)
def test_a_request_beyond_a_limit_is_refused_by_its_name(base, options, message):
    with pytest.raises(RequestError, match=message):
        Sampler(base).add(sample(**options), None)
