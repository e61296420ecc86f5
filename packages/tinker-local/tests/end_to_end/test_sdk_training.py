"""The official SDK trains against the real engine: every public method of its training side."""

from __future__ import annotations

import gc
import warnings

import numpy as np
import pytest
import tinker
import torch
from tinker import types

from tinker_local import start_engine

TINY = "local/tiny"
ADAM = types.AdamParams(learning_rate=1e-2)


def datum(length=6, start=5):
    tokens = list(range(start, start + length))
    return types.Datum(
        model_input=types.ModelInput.from_ints(tokens),
        loss_fn_inputs={
            "target_tokens": [token + 1 for token in tokens],
            "weights": [0.0] + [1.0] * (length - 1),
        },
    )


DATA = [datum(6), datum(9, 20), datum(3, 40)]
OWN_LOSS = """
from attrs import frozen
from tinker_local.training.losses import Loss


@frozen(kw_only=True)
class Scaled(Loss):
    name = "scaled"
    inputs = ("weights",)
    factor: float = 1.0

    def token_losses(self, lp, inputs):
        return -self.factor * (inputs["weights"] * lp).sum(-1)

    def trains(self, inputs):
        return (inputs["weights"] != 0).any(-1)
"""


def train(client, steps):
    """The losses of so many steps, and the model's logprobs after them."""
    losses = []
    for _ in range(steps):
        result = client.forward_backward(DATA, "cross_entropy")
        client.optim_step(ADAM).result()
        losses.append(result.result().metrics["loss:sum"])
    return losses, logprobs(client)


def logprobs(client):
    outputs = client.forward(DATA, "cross_entropy").result().loss_fn_outputs
    return np.concatenate([output["logprobs"].to_numpy() for output in outputs]).tolist()


@pytest.fixture
def model(client):
    return client.create_lora_training_client(base_model=TINY, rank=4, seed=1).result()


def test_the_loss_falls_and_outputs_have_the_shape_of_their_targets(model):
    losses, _ = train(model, 5)
    assert losses[-1] < 0.8 * losses[0]
    result = model.forward(DATA, "cross_entropy").result()
    assert [out["logprobs"].to_numpy().shape for out in result.loss_fn_outputs] == [
        (6,),
        (9,),
        (3,),
    ]


def test_the_loss_is_minus_the_weighted_sum_of_the_logprobs(model):
    result = model.forward(DATA, "cross_entropy").result()
    expected = -sum(
        float(output["logprobs"].to_numpy()[1:].sum()) for output in result.loss_fn_outputs
    )
    assert result.metrics["loss:sum"] == pytest.approx(expected, rel=1e-5)


def test_get_info_describes_a_model(model):
    info = model.get_info()
    assert info.model_id == model.model_id
    assert info.model_data.model_name == info.model_name == TINY
    assert info.model_data.arch == "llama, LoRA on 12 attn, 9 mlp, 1 unembed"
    assert (info.is_lora, info.lora_rank) == (True, 4)


def test_the_tokenizer_of_a_model_is_found_without_a_hub(model):
    tokenizer = model.get_tokenizer()
    assert tokenizer.decode(tokenizer.encode("hello", add_special_tokens=False)) == "hello"


def test_operations_that_are_submitted_together_run_in_order(model):
    steps = [
        (model.forward_backward(DATA, "cross_entropy"), model.optim_step(ADAM)) for _ in range(4)
    ]
    pipelined = [loss.result().metrics["loss:sum"] for loss, _ in steps]
    for _, step in steps:
        step.result()
    assert pipelined == sorted(pipelined, reverse=True)
    assert len(set(pipelined)) == 4


def test_a_wrong_operation_fails_alone(model):
    bad = [types.Datum(model_input=types.ModelInput.from_ints([5]), loss_fn_inputs={})]
    wrong = [
        model.forward_backward(bad, "cross_entropy"),
        model.forward_backward(DATA, "no_such_loss"),
        model.save_state("../../escape"),
        model.save_weights_external("x", age_encryption_recipients=["age1xyz"]),
    ]
    right = model.forward(DATA, "cross_entropy")
    for future in wrong:
        with pytest.raises(tinker.RequestFailedError) as refused:
            future.result()
        assert refused.value.category == "user"
    assert right.result().metrics["loss:sum"] > 0


def test_an_image_is_refused_through_the_future(model):
    image = types.ModelInput(chunks=[types.ImageChunk(data=b"x", format="png", expected_tokens=1)])
    picture = types.Datum(model_input=image, loss_fn_inputs={"target_tokens": [1]})
    with pytest.raises(tinker.RequestFailedError, match="image"):
        model.forward([picture], "cross_entropy").result()


def test_a_custom_loss_of_the_sdk_trains_like_the_loss_that_it_spells_out(client):
    def minus_logprobs(data, logprobs_D):
        loss = sum(-logprobs[1:].sum() for logprobs in logprobs_D)
        return loss, {"custom:sum": float(loss.detach())}

    states = []
    for custom in (True, False):
        model = client.create_lora_training_client(base_model=TINY, rank=4, seed=1).result()
        if custom:
            result = model.forward_backward_custom(DATA, minus_logprobs).result()
            assert result.metrics["custom:sum"] == result.metrics["loss:sum"]
        else:
            model.forward_backward(DATA, "cross_entropy").result()
        model.optim_step(ADAM).result()
        states.append(logprobs(model))
    np.testing.assert_allclose(states[0], states[1], rtol=1e-5)


def test_sparse_targets_count_as_the_dense_ones(model):
    targets = torch.tensor([[6, 0], [7, 9], [8, 0]])
    weights = torch.tensor([[1.0, 0.0], [0.5, 0.25], [1.0, 0.0]])
    losses = []
    for pack in (types.TensorData.from_torch, types.TensorData.from_torch_sparse):
        soft = types.Datum(
            model_input=types.ModelInput.from_ints([5, 6, 7]),
            loss_fn_inputs={"target_tokens": pack(targets), "weights": pack(weights)},
        )
        losses.append(model.forward([soft], "cross_entropy").result().metrics["loss:sum"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_training_continues_from_a_checkpoint_to_the_bit(client, model):
    train(model, 2)
    saved = model.save_state("middle", user_metadata={"step": "2"}).result()
    expected = train(model, 2)
    resumed = client.create_training_client_from_state_with_optimizer(saved.path).result()
    assert resumed.get_info().lora_rank == 4
    assert train(resumed, 2) == expected


def test_without_the_optimizer_only_the_weights_come_back(client, model):
    before = train(model, 3)[1]
    saved = model.save_state("weights-only").result()
    resumed = client.create_training_client_from_state(saved.path).result()
    assert logprobs(resumed) == before
    assert train(resumed, 2) != train(model, 2)


def test_a_checkpoint_can_be_loaded_into_a_model(model):
    saved = model.save_state("start").result()
    expected = train(model, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # these two are deprecated
        model.load_state_with_optimizer(saved.path).result()
        assert train(model, 2) == expected
        model.load_state(saved.path).result()
    assert train(model, 2) == expected, "the first steps had a fresh optimizer, too"


def test_a_checkpoint_of_another_shape_is_refused(client, model):
    saved = model.save_state("rank-4").result()
    wide = client.create_lora_training_client(base_model=TINY, rank=8).result()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(tinker.RequestFailedError, match="rank=4"):
            wide.load_state(saved.path).result()


def test_a_checkpoint_name_is_unique_without_overwrite(model):
    model.save_state("same").result()
    with pytest.raises(tinker.RequestFailedError, match="exists already"):
        model.save_state("same").result()
    model.save_state("same", overwrite=True).result()


def test_clients_do_not_touch_each_other(client):
    alone = train(client.create_lora_training_client(base_model=TINY, rank=4, seed=1).result(), 3)
    one = client.create_lora_training_client(base_model=TINY, rank=4, seed=1).result()
    other = client.create_lora_training_client(base_model=TINY, rank=8, seed=2).result()
    mixed = []
    for _ in range(3):
        futures = [one.forward_backward(DATA, "cross_entropy"), one.optim_step(ADAM)]
        futures += [other.forward_backward(DATA[:1], "cross_entropy"), other.optim_step(ADAM)]
        mixed.append(futures[0].result().metrics["loss:sum"])
        futures[-1].result()
    assert (mixed, logprobs(one)) == alone


def test_an_unknown_base_model_is_a_user_error(client):
    with pytest.raises(tinker.RequestFailedError, match="no-such/model") as refused:
        client.create_lora_training_client(base_model="no-such/model").result()
    assert refused.value.category == "user"


def test_a_checkpoint_that_is_not_there_is_a_user_error(client):
    missing = "tinker://session-0:train:0/weights/nothing"
    with pytest.raises(tinker.RequestFailedError, match="unknown checkpoint") as refused:
        client.create_training_client_from_state_with_optimizer(missing).result()
    assert refused.value.category == "user"


def test_another_optimizer_is_refused_by_name(client):
    optimizer = types.DimuonOptimizerConfig()
    with pytest.raises(tinker.RequestFailedError, match="dimuon"):
        client.create_lora_training_client(base_model=TINY, optimizer=optimizer).result()


@pytest.mark.parametrize("by_variable", [False, True])
def test_a_loss_of_the_user_is_served_by_its_name(tmp_path, monkeypatch, by_variable):
    (tmp_path / "own_losses.py").write_text(OWN_LOSS)
    monkeypatch.chdir(tmp_path)
    losses = [] if by_variable else ["own_losses:Scaled"]
    if by_variable:
        monkeypatch.setenv("TINKER_LOCAL_LOSS", "own_losses:Scaled")
    with (
        start_engine(home=tmp_path / "home", losses=losses) as engine,
        tinker.ServiceClient(base_url=engine.base_url, api_key=engine.api_key) as client,
    ):
        model = client.create_lora_training_client(base_model=TINY, rank=4, seed=1).result()
        own = model.forward(DATA, "scaled", {"factor": 3.0}).result().metrics["loss:sum"]
        built_in = model.forward(DATA, "cross_entropy").result().metrics["loss:sum"]
    gc.collect()  # here, where the warnings about the SDK's sockets are ignored
    assert own == pytest.approx(3 * built_in, rel=1e-5)
