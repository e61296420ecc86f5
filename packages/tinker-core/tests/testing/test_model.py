"""The bigram model."""

import numpy as np
import pytest

from tinker_core.testing import BigramModel


def test_the_gradient_is_that_of_a_finite_difference() -> None:
    random = np.random.default_rng(0)
    model = BigramModel.blank(4)
    model.logits = random.normal(size=(4, 4))
    inputs, targets, weights = np.array([0, 1, 0]), np.array([2, 3, 1]), random.normal(size=3)
    model.add_gradient(inputs, targets, -weights)

    def loss() -> float:
        return -float((weights * model.logprobs()[inputs, targets]).sum())

    before = loss()
    model.logits[0, 1] += 1e-6
    assert (loss() - before) / 1e-6 == pytest.approx(model.gradient[0, 1], abs=1e-4)
