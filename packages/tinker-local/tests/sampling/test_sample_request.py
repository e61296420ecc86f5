"""Limits of a sample request."""

from __future__ import annotations

import numpy as np
import pytest
from sample_requests import sample, tokens_of

from tinker_local.errors import RequestError
from tinker_local.sampling.continuous_batching import Sampler


def test_without_max_tokens_the_context_is_filled(base, run):
    requests = [sample(90, 1, max_tokens=None), sample(90, 1, max_tokens=0, prompt_logprobs=True)]
    filled, nothing = run(Sampler(base), [(request, None) for request in requests])
    assert len(filled.sequences[0].tokens) == 6
    assert filled.sequences[0].stop_reason == "length"
    assert tokens_of(nothing) == [[]]
    assert np.isfinite(nothing.prompt_logprobs[1:]).all()


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
