"""Drawing tokens against brute-force numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tinker_local.sampling import token_sampling
from tinker_local.sampling.token_sampling import TokenSamplingParams, sample_tokens

DRAWS = 4000


def expected(logits: np.ndarray, params: TokenSamplingParams) -> np.ndarray:
    """Temperature, then top-k, then top-p of the rest."""
    p = np.exp(logits / params.temperature)
    p /= p.sum()
    order = np.argsort(-p, kind="stable")
    if params.top_k > 0:
        p[order[params.top_k :]] = 0
        p /= p.sum()
    kept = 0.0
    for i in order:
        if kept >= params.top_p:
            p[i] = 0
        kept += p[i]
    return p / p.sum()


@pytest.mark.parametrize(
    "params",
    [
        TokenSamplingParams(),
        TokenSamplingParams(temperature=0.6),
        TokenSamplingParams(temperature=2.0, top_k=4),
        TokenSamplingParams(top_k=100),
        TokenSamplingParams(top_p=0.65),
        TokenSamplingParams(top_p=0.7),
        TokenSamplingParams(top_p=0.8),
        TokenSamplingParams(top_p=0.05),
        TokenSamplingParams(temperature=1.7, top_k=12, top_p=0.8),
    ],
)
@pytest.mark.parametrize("tried", [4, 12, 512])
def test_each_token_is_drawn_as_often_as_its_probability_says(monkeypatch, params, tried):
    monkeypatch.setattr(token_sampling, "_CANDIDATES", tried)
    logits = np.random.default_rng(0).normal(size=30) * 2
    logp = torch.log_softmax(torch.tensor(logits, dtype=torch.float32), -1).expand(DRAWS, -1)
    # Evenly spaced numbers: counts are exact to one of each token's edges.
    uniforms = ((np.arange(DRAWS) + 0.5) / DRAWS).tolist()
    counts = np.bincount(sample_tokens(logp, [params] * DRAWS, uniforms), minlength=30)
    assert np.abs(counts - DRAWS * expected(logits, params)).max() <= 2


def test_rows_with_different_parameters_do_not_mix():
    logits = torch.randn(6, 50, generator=torch.Generator().manual_seed(0))
    logp = torch.log_softmax(logits, -1)
    all_params = [
        TokenSamplingParams(),
        TokenSamplingParams(temperature=0.0),
        TokenSamplingParams(top_k=3),
        TokenSamplingParams(temperature=0.3),
        TokenSamplingParams(top_p=0.5),
        TokenSamplingParams(),
    ]
    uniforms = [0.9, 0.1, 0.7, 0.4, 0.99, 0.2]
    together = sample_tokens(logp, all_params, uniforms).tolist()
    alone = [
        sample_tokens(logp[i : i + 1], all_params[i : i + 1], uniforms[i : i + 1]).item()
        for i in range(6)
    ]
    assert together == alone
    assert together[1] == logits[1].argmax()


@pytest.mark.parametrize("uniform", [0.0, 1 - 2**-53])
def test_an_impossible_token_is_never_drawn(uniform):
    logp = torch.log_softmax(torch.tensor([[-torch.inf, 0.0, 1.0, -torch.inf]]), -1)
    assert sample_tokens(logp, [TokenSamplingParams()], [uniform]).item() in (1, 2)
    assert sample_tokens(logp, [TokenSamplingParams(top_p=0.999)], [uniform]).item() in (1, 2)


@pytest.mark.parametrize("size", [30, 2000])  # within the candidates of top-p, and beyond them
@pytest.mark.parametrize(
    "params",
    [
        *(TokenSamplingParams(temperature=10.0**-e) for e in (6, 30, 38, 40, 46, 300, 323)),
        *(TokenSamplingParams(top_p=10.0**-e) for e in (6, 30, 38, 46, 300, 323)),
        TokenSamplingParams(temperature=1e-46, top_k=5, top_p=1e-46),
        TokenSamplingParams(temperature=1e-320, top_p=0.9),
        TokenSamplingParams(top_k=1),
        TokenSamplingParams(temperature=3.0, top_k=1, top_p=1e-300),
    ],
    ids=str,
)
def test_parameters_near_zero_draw_the_most_likely_token(params, size):
    logits = torch.randn(3, size, generator=torch.Generator().manual_seed(0))
    logits[1, 4] = -torch.inf
    logp = torch.log_softmax(logits, -1)
    for uniform in (0.0, 0.5, 1 - 2**-53):
        drawn = sample_tokens(logp, [params] * 3, [uniform] * 3)
        assert torch.equal(drawn, logits.argmax(-1))


@pytest.mark.parametrize("temperature", [1e-320, 1e-46])
def test_a_temperature_near_zero_draws_among_the_tied_tokens(temperature):
    logp = torch.log_softmax(torch.tensor([[0.0, 2.0, -1.0, 2.0]]), -1)
    params = [TokenSamplingParams(temperature=temperature)]
    assert [sample_tokens(logp, params, [u]).item() for u in (0.2, 0.7)] == [1, 3]


@pytest.mark.parametrize("temperature", [1e38, 1e39, 1e300])
def test_a_huge_temperature_draws_evenly_among_the_possible_tokens(temperature):
    logp = torch.log_softmax(torch.tensor([[0.0, -torch.inf, 3.0, -2.0]]), -1)
    params = [TokenSamplingParams(temperature=temperature)]
    assert [sample_tokens(logp, params, [u]).item() for u in (0.2, 0.5, 0.9)] == [0, 2, 3]
