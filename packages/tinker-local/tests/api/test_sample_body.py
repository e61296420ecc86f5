"""Sample requests, as the SDK's own request models write them."""

from __future__ import annotations

import json

import pytest
from tinker import types
from tinker.types.sample_request import SampleRequest

from tinker_local.api.sample_body import decode_sample_request
from tinker_local.errors import RequestError


def decode(body):
    return decode_sample_request(json.dumps(body).encode())


def sample_body(params=None, **fields):
    """The SDK's body for a sample of a three-token prompt."""
    request = SampleRequest(
        sampling_session_id="s",
        seq_id=0,
        prompt=types.ModelInput.from_ints([5, 6, 7]),
        sampling_params=params or types.SamplingParams(),
        **fields,
    )
    return request.model_dump(exclude_none=True)


def test_absent_sampling_options_are_the_apis_defaults():
    request, _ = decode(sample_body())
    assert request.prompt.tolist() == [5, 6, 7]
    assert (request.num_samples, request.max_tokens, request.seed) == (1, None, None)
    assert (request.temperature, request.top_k, request.top_p) == (1.0, -1, 1.0)
    assert (request.stop_tokens, request.stop_strings) == (None, ())


def test_given_sampling_options_arrive():
    params = types.SamplingParams(max_tokens=9, seed=3, temperature=0.5, top_k=4, top_p=0.9)
    request, _ = decode(
        sample_body(params, num_samples=2, prompt_logprobs=True, topk_prompt_logprobs=3)
    )
    assert (request.num_samples, request.max_tokens, request.seed) == (2, 9, 3)
    assert (request.temperature, request.top_k, request.top_p) == (0.5, 4, 0.9)
    assert (request.prompt_logprobs, request.topk_prompt_logprobs) == (True, 3)


@pytest.mark.parametrize(
    ("stop", "tokens", "strings"),
    [
        ([], frozenset(), ()),
        ([3, 4], frozenset({3, 4}), ()),
        ("end", None, ("end",)),
        (["a", "b"], None, ("a", "b")),
    ],
)
def test_every_form_of_stop_is_understood(stop, tokens, strings):
    request, _ = decode(sample_body(types.SamplingParams(stop=stop)))
    assert request.stop_tokens == tokens
    assert request.stop_strings == strings


def test_sparse_targets_skip_the_cells_that_they_do_not_list():
    body = sample_body()
    body["target_prompt_logprobs"] = {
        "data": [8, 9],
        "dtype": "int64",
        "shape": [2, 3],
        "sparse_crow_indices": [0, 1, 2],
        "sparse_col_indices": [2, 0],
    }
    request, layout = decode(body)
    assert request.target_prompt_logprobs.tolist() == [[-1, -1, 8], [9, -1, -1]]
    assert layout.crow.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"prompt": {"chunks": []}}, "prompt: it has no tokens"),
        ({"prompt": {"chunks": [{"type": "image", "data": ""}]}}, "chunk type 'image'"),
        (
            {"prompt": {"chunks": [{"tokens": [1, 2.5]}]}},
            r"prompt.chunks\[0\].tokens\[1\]: expected int, got 2.5",
        ),
        (
            {"prompt": {"chunks": [{"tokens": [2**70]}]}},
            r"prompt.chunks\[0\].tokens\[0\]: expected int <=",
        ),
        ({"num_samples": 0}, "num_samples"),
        ({"num_samples": 10**9}, "exceeds the limit of 1024"),
        ({"sampling_params": {"temperature": -1}}, "temperature"),
        ({"sampling_params": {"temperature": float("nan")}}, "temperature"),
        ({"sampling_params": {"stop": [1, "a"]}}, "stop"),
        ({"sampling_params": {"stop": [""]}}, "stop"),
        ({"sampling_params": {"seed": "x"}}, "seed"),
        ({"record_stability_info": True}, "record_stability_info is not supported"),
        ({"target_prompt_logprobs": {"data": [1], "shape": [1, 1]}}, r"is not \[2, K\]"),
    ],
)
def test_a_wrong_sample_field_is_named(change, complaint):
    with pytest.raises(RequestError, match=complaint):
        decode({**sample_body(), **change})
