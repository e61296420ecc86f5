"""AdamW in numpy against torch.optim.AdamW."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tinker import types

from tinker_conformance.closed_form.adamw import AdamW, global_norm


@pytest.mark.parametrize("clip", [0.0, 0.5, 100.0])
def test_three_steps_are_those_of_torch(clip):
    rng = np.random.default_rng(1)
    weights = {"a": rng.normal(size=(2, 3)), "b": rng.normal(size=4)}
    params = types.AdamParams(
        learning_rate=0.03, beta1=0.8, beta2=0.9, eps=1e-3, weight_decay=0.2, grad_clip_norm=clip
    )
    reference = [torch.tensor(value, requires_grad=True) for value in weights.values()]
    torch_adamw = torch.optim.AdamW(reference, 0.03, (0.8, 0.9), 1e-3, 0.2)
    ours = AdamW()
    for _ in range(3):
        gradient = {name: rng.normal(size=value.shape) for name, value in weights.items()}
        weights = ours.step(weights, gradient, params)
        for tensor, value in zip(reference, gradient.values(), strict=True):
            tensor.grad = torch.tensor(value)
        if clip:
            torch.nn.utils.clip_grad_norm_(reference, clip)
        torch_adamw.step()
    for tensor, value in zip(reference, weights.values(), strict=True):
        np.testing.assert_allclose(value, tensor.detach().numpy(), rtol=1e-5)


def test_a_step_without_a_gradient_is_driven_by_memory_alone():
    params = types.AdamParams(learning_rate=1.0, beta1=0.5, beta2=0.0, eps=1e9)
    ours, zero = AdamW(), {"a": np.zeros(1)}
    first = ours.step(zero, {"a": np.array([3.0])}, params)["a"]
    second = ours.step({"a": first}, zero, params)["a"] - first
    np.testing.assert_allclose(second / first, 0.5 / 1.5, rtol=1e-6)


def test_the_global_norm_spans_all_tensors():
    assert global_norm({"a": np.array([3.0]), "b": np.array([[4.0, 0.0]])}) == 5.0
