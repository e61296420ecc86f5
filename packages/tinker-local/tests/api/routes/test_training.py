"""Models and their operations, on the echo backend."""

from __future__ import annotations

import json

import pytest
from api_calls import TINY, forward_backward, optim_step, outcome, post
from tinker import types

from tinker_local.api.json_bodies import decode_body
from tinker_local.api.routes.training import CreateModel, decode_adam_params
from tinker_local.errors import RequestError
from tinker_local.request_types import AdamParams, LoraSpec


def adam_params(body):
    return decode_adam_params(json.dumps(body).encode())


def create_model(**fields):
    return decode_body(json.dumps({"base_model": TINY, **fields}).encode(), CreateModel)


def test_a_submission_that_is_repeated_is_one_operation(http, model, backend):
    first, again = optim_step(http, model, 1), optim_step(http, model, 1)
    assert first.json()["request_id"] == again.json()["request_id"]
    assert outcome(http, first).json() == outcome(http, again).json()
    assert backend.events.count("step") == 1


def test_operations_wait_for_the_ones_before_them(http, model, backend):
    answers = [
        forward_backward(http, model, 2),
        optim_step(http, model, 3),
        optim_step(http, model, 1),
        optim_step(http, model, 4),
    ]
    for answer in answers:
        assert outcome(http, answer).status_code == 200
    assert [event for event in backend.events if event in ("step", "loss 1")] == [
        "step",
        "loss 1",
        "step",
        "step",
    ]


def test_a_wrong_operation_takes_its_place_in_the_order(http, model):
    wrong = post(http, "/optim_step", model_id=model, seq_id=1, adam_params={"beta1": "x"})
    right = optim_step(http, model, 2)
    refused = outcome(http, wrong)
    assert refused.status_code == 200
    assert refused.json()["category"] == "user"
    assert "beta1" in refused.json()["error"]
    assert outcome(http, right).json()["metrics"]["weight"] == 1.0


def test_a_bug_in_the_backend_is_the_servers_fault_and_the_worker_goes_on(http, model, caplog):
    failed = outcome(http, forward_backward(http, model, 1, "bug"))
    assert (failed.status_code, failed.json()["category"]) == (200, "server")
    assert "a bug in the backend" in caplog.text
    assert outcome(http, optim_step(http, model, 2)).json()["metrics"]["weight"] == 1.0


def test_a_metric_that_is_no_number_is_still_json(http, model):
    assert outcome(http, optim_step(http, model, 1)).json()["metrics"]["bad"] == "nan"


def test_json_training_of_old_clients_is_refused_by_name(http, model):
    refused = post(http, "/forward_backward", model_id=model, seq_id=1)
    assert refused.status_code == 400
    assert "0.25" in refused.json()["detail"]


def test_unused_base_models_are_unloaded_before_another_is_loaded(
    http, session, model, service, tmp_path
):
    post(http, f"/sessions/{session}/finish")
    other = tmp_path / "other"
    other.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (other / name).write_text("{}")
    again = post(http, "/create_session").json()["session_id"]
    answer = post(http, "/create_model", session_id=again, model_seq_id=0, base_model=str(other))
    assert "model_id" in outcome(http, answer).json(), "loaded"
    assert [base.name for base in service.models.bases.values()] == [str(other)]


def test_adam_defaults_are_the_sdks():
    theirs = types.AdamParams()
    ours = adam_params({"adam_params": {}})
    for name in ("learning_rate", "beta1", "beta2", "eps", "weight_decay", "grad_clip_norm"):
        assert getattr(ours, name) == getattr(theirs, name), name
    sent = types.AdamParams(learning_rate=0.5, beta1=0.1, eps=1e-3, grad_clip_norm=2.0)
    assert adam_params({"adam_params": sent.model_dump()}) == AdamParams(
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
        adam_params({"adam_params": params})


def test_another_optimizer_is_refused_by_name():
    with pytest.raises(RequestError, match="dimuon"):
        adam_params({"optimizer_params": {"type": "dimuon"}})
    with pytest.raises(RequestError, match="dimuon"):
        create_model(optimizer_config={"type": "dimuon", "version": 1}).check_optimizer()


def test_lora_defaults_are_the_sdks():
    theirs = types.LoraConfig(rank=32)
    assert create_model().lora_spec() == LoraSpec(
        rank=32,
        train_attn=theirs.train_attn,
        train_mlp=theirs.train_mlp,
        train_unembed=theirs.train_unembed,
    )


def test_a_lora_that_trains_nothing_is_refused():
    config = {"train_attn": False, "train_mlp": False, "train_unembed": False}
    with pytest.raises(RequestError, match="at least one"):
        create_model(lora_config=config).lora_spec()
