"""The settings of the optimizer."""

import pytest

from tinker_train import Adam, adam_params


def test_the_settings_reach_the_engine_and_the_schedule_scales_the_learning_rate_alone():
    adam = Adam(
        learning_rate=2e-3, betas=(0.8, 0.9), eps=1e-6, weight_decay=0.1, grad_clip_norm=1.5
    )
    params = adam_params(adam, 0.25)
    assert params.learning_rate == 5e-4
    assert (params.beta1, params.beta2, params.eps) == (0.8, 0.9, 1e-6)
    assert (params.weight_decay, params.grad_clip_norm) == (0.1, 1.5)


@pytest.mark.parametrize("betas", [(0.9,), (0.9, 1.0), (-0.1, 0.9)])
def test_betas_are_two_numbers_from_0_to_below_1(betas):
    with pytest.raises(ValueError, match="betas"):
        Adam(betas=betas)


def test_a_beta_of_zero_is_no_memory_and_allowed():
    assert Adam(betas=(0.0, 0.0)).betas == (0.0, 0.0)


@pytest.mark.parametrize("name", ["learning_rate", "eps", "weight_decay", "grad_clip_norm"])
@pytest.mark.parametrize("value", [float("inf"), float("nan"), -1.0])
def test_settings_are_finite_numbers(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a finite number"):
        Adam(**{name: value})
