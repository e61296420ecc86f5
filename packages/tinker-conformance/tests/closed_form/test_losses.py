"""Values and slopes of the closed forms against torch's autograd and hand-computed numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tinker_conformance.closed_form.losses import LOSSES

LP = np.log([0.5, 0.25, 0.1, 0.8, 0.3])
CONFIG = {"clip_low_threshold": 0.7, "clip_high_threshold": 1.3, "beta": 0.4}
COLUMNS = {
    "weights": np.array([1.0, -0.5, 0.0, 2.0, 1.0]),
    "logprobs": np.log([0.25, 0.5, 0.1, 0.7, 0.9]),
    "advantages": np.array([1.0, -1.0, 0.5, -0.3, 2.0]),
    "sequence_ratio_mask": np.array([0.0, 1.0, 1.0, 1.0, 1.0]),
}


def in_torch(name, lp, columns):
    """The losses as Tinker's documentation writes them, in torch."""
    q, advantages = columns["logprobs"], columns["advantages"]
    ratio = torch.exp(lp - q)
    if name == "gspo":
        mean = (lp.detach() - q)[columns["sequence_ratio_mask"] != 0].mean()
        ratio = torch.exp(mean) * torch.exp(lp - lp.detach())
    clipped = ratio.clamp(0.7, 1.3)
    match name:
        case "cross_entropy":
            return -columns["weights"] * lp
        case "importance_sampling":
            return -ratio * advantages
        case "ppo" | "gspo":
            return -torch.minimum(ratio * advantages, clipped * advantages)
        case "cispo":
            return -clipped.detach() * lp * advantages
        case "dro":
            return -(lp * advantages - 0.5 * 0.4 * (lp - q) ** 2)


@pytest.mark.parametrize("name", LOSSES)
def test_values_and_slopes_are_those_of_autograd(name):
    lp = torch.tensor(LP, requires_grad=True)
    losses = in_torch(name, lp, {key: torch.tensor(value) for key, value in COLUMNS.items()})
    (slope,) = torch.autograd.grad(losses.sum(), lp)
    closed = LOSSES[name]
    np.testing.assert_allclose(closed.value(LP, COLUMNS, CONFIG), losses.detach().numpy())
    np.testing.assert_allclose(closed.slope(LP, COLUMNS, CONFIG), slope.numpy())


def test_a_clipped_token_of_ppo_counts_as_the_threshold_times_its_advantage():
    columns = {"logprobs": np.log([0.25]), "advantages": np.array([3.0])}
    value = LOSSES["ppo"].value(np.log([0.5]), columns, CONFIG)  # the ratio is 2
    assert value == pytest.approx([-1.3 * 3])
    assert LOSSES["ppo"].slope(np.log([0.5]), columns, CONFIG) == pytest.approx([0.0])
