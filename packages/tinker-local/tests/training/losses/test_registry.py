"""The built-in losses, and a loss that a user adds."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from tinker_local.errors import RequestError
from tinker_local.request_types import LoraSpec
from tinker_local.training.losses import built_in_losses, import_loss
from tinker_local.training.losses.cross_entropy import CrossEntropy
from tinker_local.training.losses.registry import configure_loss
from tinker_local.training.trainer import Trainer

FILE = """
import torch
from attrs import frozen
from tinker_local.training.losses import Loss


@frozen(kw_only=True)
class Unlikelihood(Loss):
    name = "unlikelihood"
    inputs = ("weights",)
    floor: float = 1e-6

    def token_losses(self, lp, inputs):
        return -(inputs["weights"] * torch.log((1 - lp.exp()).clamp(min=self.floor))).sum(-1)

    def trains(self, inputs):
        return (inputs["weights"] != 0).any(-1)


class Incomplete(Loss):
    name = "incomplete"
"""


@pytest.fixture
def reference(tmp_path, monkeypatch):
    (tmp_path / "my_losses.py").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield "my_losses:Unlikelihood"
    sys.modules.pop("my_losses", None)


def test_every_documented_loss_is_built_in():
    assert set(built_in_losses()) == {
        "cross_entropy", "importance_sampling", "ppo", "cispo", "dro", "gspo",
    }  # fmt: skip


def test_a_loss_in_a_file_of_the_user_is_served(base, datum, request_of, reference, accumulated):
    losses = {**built_in_losses(), "unlikelihood": import_loss(reference)}
    trainer = Trainer(base, LoraSpec(rank=2, seed=1), losses)
    weights = np.array([0, 1, 1, 0, 2], np.float32)
    before = trainer.loss(request_of(datum(5, weights=weights), loss_fn="unlikelihood"))
    lp = before.outputs[0]["logprobs"]
    assert before.metrics["loss:sum"] == pytest.approx(
        -(weights * np.log(1 - np.exp(lp))).sum(), rel=1e-4
    )
    # Its derivative by lp is w p / (1 - p): that of the cross-entropy with the negated weights.
    equal = Trainer(base, LoraSpec(rank=2, seed=1))
    slope = -weights * np.exp(lp) / (1 - np.exp(lp))
    equal.loss(request_of(datum(5, weights=slope)))
    ours, theirs = accumulated(trainer), accumulated(equal)
    assert all(np.allclose(ours[name], theirs[name], atol=1e-4) for name in ours)


def test_its_config_keys_are_its_fields(reference):
    losses = {"unlikelihood": import_loss(reference)}
    assert configure_loss(losses, "unlikelihood", {"floor": 0.5}).floor == 0.5
    with pytest.raises(RequestError, match="no config key 'roof'; its keys are: floor"):
        configure_loss(losses, "unlikelihood", {"roof": 1.0})


@pytest.mark.parametrize("value", ["high", math.nan])
def test_a_config_value_that_is_no_number_is_refused(reference, value):
    losses = {"unlikelihood": import_loss(reference)}
    with pytest.raises(RequestError, match="'floor' must be a number"):
        configure_loss(losses, "unlikelihood", {"floor": value})


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ("my_losses", "expected <module>:<class>"),
        ("no_such_module:Loss", "No module named"),
        ("my_losses:Nothing", "no attribute 'Nothing'"),
        ("my_losses:torch", "no complete subclass"),
        ("my_losses:Incomplete", "no complete subclass"),
    ],
)
def test_a_reference_to_no_loss_is_refused_by_name(reference, wrong, complaint):
    with pytest.raises(RequestError, match=complaint) as refused:
        import_loss(wrong)
    assert f"invalid loss {wrong!r}" in str(refused.value)


def test_a_soft_target_counts_as_its_weight_says():
    assert CrossEntropy.soft_targets
    assert CrossEntropy.optional_inputs == {"weights": 1.0}
