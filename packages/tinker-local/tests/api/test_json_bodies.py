"""JSON bodies, as the SDK's own request models write them."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tinker import types
from tinker.types.sample_request import SampleRequest

from tinker_local.api import json_bodies
from tinker_local.api.json_bodies import (
    decode_adam_params,
    decode_lora_spec,
    decode_sample_request,
    parse_json,
)
from tinker_local.errors import RequestError
from tinker_local.request_types import AdamParams, LoraSpec


def sample_body(params=None, **fields):
    """What the SDK sends for a sample of a three-token prompt."""
    request = SampleRequest(
        sampling_session_id="s",
        seq_id=0,
        prompt=types.ModelInput.from_ints([5, 6, 7]),
        sampling_params=params or types.SamplingParams(),
        **fields,
    )
    return request.model_dump(exclude_none=True)


def test_absent_sampling_options_are_the_apis_defaults():
    request, _ = decode_sample_request(sample_body())
    assert request.prompt.tolist() == [5, 6, 7]
    assert (request.num_samples, request.max_tokens, request.seed) == (1, None, None)
    assert (request.temperature, request.top_k, request.top_p) == (1.0, -1, 1.0)
    assert (request.stop_tokens, request.stop_strings) == (None, ())


def test_given_sampling_options_arrive():
    params = types.SamplingParams(max_tokens=9, seed=3, temperature=0.5, top_k=4, top_p=0.9)
    request, _ = decode_sample_request(
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
    request, _ = decode_sample_request(sample_body(types.SamplingParams(stop=stop)))
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
    request, layout = decode_sample_request(body)
    assert request.target_prompt_logprobs.tolist() == [[-1, -1, 8], [9, -1, -1]]
    assert layout.crow.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"prompt": {"chunks": []}}, "prompt: no tokens"),
        ({"prompt": {"chunks": [{"type": "image", "data": ""}]}}, "chunk of kind 'image'"),
        ({"prompt": {"chunks": [{"tokens": [1, 2.5]}]}}, "tokens: expected"),
        ({"prompt": {"chunks": [{"tokens": [2**70]}]}}, "tokens: expected"),
        ({"num_samples": 0}, "num_samples"),
        ({"num_samples": 10**9}, "over the limit of 1024"),
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
        decode_sample_request({**sample_body(), **change})


def test_adam_defaults_are_the_sdks():
    theirs = types.AdamParams()
    ours = decode_adam_params({"adam_params": {}})
    for name in ("learning_rate", "beta1", "beta2", "eps", "weight_decay", "grad_clip_norm"):
        assert getattr(ours, name) == getattr(theirs, name), name
    sent = types.AdamParams(learning_rate=0.5, beta1=0.1, eps=1e-3, grad_clip_norm=2.0)
    assert decode_adam_params({"adam_params": sent.model_dump()}) == AdamParams(
        learning_rate=0.5, beta1=0.1, eps=1e-3, grad_clip_norm=2.0
    )


@pytest.mark.parametrize(
    ("params", "complaint"),
    [
        ({"learning_rate": "fast"}, "learning_rate"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"learning_rate": float("inf")}, "learning_rate"),
        ({"beta1": 1.0}, "beta1"),
    ],
)
def test_a_wrong_optimizer_field_is_named(params, complaint):
    with pytest.raises(RequestError, match=complaint):
        decode_adam_params({"adam_params": params})


def test_another_optimizer_is_refused_by_name():
    with pytest.raises(RequestError, match="dimuon"):
        decode_adam_params({"optimizer_params": {"type": "dimuon"}})
    with pytest.raises(RequestError, match="dimuon"):
        json_bodies.check_optimizer({"optimizer_config": {"type": "dimuon", "version": 1}})


def test_lora_defaults_are_the_sdks():
    theirs = types.LoraConfig(rank=32)
    assert decode_lora_spec({}) == LoraSpec(
        rank=32,
        train_attn=theirs.train_attn,
        train_mlp=theirs.train_mlp,
        train_unembed=theirs.train_unembed,
    )


def test_a_lora_that_trains_nothing_is_refused():
    config = {"train_attn": False, "train_mlp": False, "train_unembed": False}
    with pytest.raises(RequestError, match="at least one"):
        decode_lora_spec({"lora_config": config})


@given(st.binary(max_size=40))
def test_a_body_is_an_object_or_is_refused(raw):
    with suppress(RequestError):
        assert isinstance(parse_json(raw), dict)


def test_endless_nesting_is_refused():
    with pytest.raises(RequestError, match="not JSON"):
        parse_json(b'{"a":' * 100_000)


def test_a_lone_surrogate_is_no_text():
    with pytest.raises(RequestError, match="Unicode"):
        json_bodies.text({"name": "\ud800"}, "name")


def test_a_boolean_is_no_number():
    with pytest.raises(RequestError, match="an integer"):
        json_bodies.integer({"n": True}, "n")
    with pytest.raises(RequestError, match="a number"):
        json_bodies.number({"n": True}, "n", 0.0)


def test_integers_keep_their_order_and_type():
    values = json_bodies.integers({"tokens": [3, -1, 2]}, "tokens")
    assert values.dtype == np.int64
    assert values.tolist() == [3, -1, 2]
