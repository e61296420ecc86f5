"""Datums of each loss, normalised, against sums over the sampled tokens written out."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinker_core import ConfigError
from tinker_core.testing import loss_and_slope
from tinker_rl import Loss, loss_datums, loss_settings, trajectory_ledgers
from tinker_rl.update.training_sequence import TokenLedger

LOSSES = ["importance_sampling", "ppo", "cispo", "dro", "gspo"]


@pytest.fixture
def ledgers(turn: Callable[..., Any], trajectory: Callable[..., Any]) -> list[TokenLedger]:
    """Three and one sampled tokens."""
    long = trajectory(turn([1], [2, 3]), turn([1, 2, 3, 4], [5]))
    short = trajectory(turn([6], [7]))
    return [*trajectory_ledgers(long, [1.0, -2.0]), *trajectory_ledgers(short, [4.0])]


def trained(ledger: TokenLedger, seed: int) -> np.ndarray:
    """Logprobs of the model in training, away from the sampler's by up to 0.6."""
    return ledger.logprobs + np.random.default_rng(seed).uniform(-0.6, 0.6, ledger.tokens.size)


def test_each_number_stands_at_the_token_that_it_is_about(ledgers: list[TokenLedger]) -> None:
    datum = loss_datums(Loss(normalise="none"), ledgers)[0]
    inputs = {name: value.to_numpy().tolist() for name, value in datum.loss_fn_inputs.items()}
    assert datum.model_input.to_ints() == [1, 2, 3, 4]
    assert inputs["target_tokens"] == [2, 3, 4, 5]
    assert inputs["advantages"] == [1.0, 1.0, 0.0, -2.0]
    assert inputs["logprobs"] == pytest.approx([-0.02, -0.03, 0.0, -0.05])
    assert set(inputs) == {"target_tokens", "advantages", "logprobs"}


def test_normalised_by_token_the_advantages_of_a_step_are_shared_by_its_tokens(
    ledgers: list[TokenLedger],
) -> None:
    long, short = loss_datums(Loss(normalise="token"), ledgers)
    assert long.loss_fn_inputs["advantages"].tolist() == [0.25, 0.25, 0.0, -0.5]
    assert short.loss_fn_inputs["advantages"].tolist() == [1.0]


def test_normalised_by_sequence_each_has_the_same_say(ledgers: list[TokenLedger]) -> None:
    long, short = loss_datums(Loss(normalise="sequence"), ledgers)
    assert long.loss_fn_inputs["advantages"].tolist() == pytest.approx([1 / 6, 1 / 6, 0, -2 / 6])
    assert short.loss_fn_inputs["advantages"].tolist() == [2.0]


def test_gspo_marks_the_tokens_that_its_mean_is_over(ledgers: list[TokenLedger]) -> None:
    datum = loss_datums(Loss(name="gspo"), ledgers)[0]
    assert datum.loss_fn_inputs["sequence_ratio_mask"].tolist() == [1.0, 1.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("name", "normalise"),
    [
        (name, normalise)
        for name in LOSSES
        for normalise in ("token", "sequence", "none")
        if (name, normalise) != ("dro", "sequence")
    ],
)
def test_the_loss_is_the_average_that_it_says(
    name: Any, normalise: Any, ledgers: list[TokenLedger], oracle: Callable[..., Any]
) -> None:
    loss = Loss(name=name, normalise=normalise)
    settings = loss_settings(loss, ledgers) or {}
    sent = 0.0
    for i, (ledger, datum) in enumerate(zip(ledgers, loss_datums(loss, ledgers), strict=True)):
        inputs = {k: np.asarray(v.to_numpy(), float) for k, v in datum.loss_fn_inputs.items()}
        value, slope_N = oracle(name, trained(ledger, i)[1:], inputs, settings)
        sent += value
        assert not slope_N[~ledger.sampled[1:]].any(), "a prompt token is trained on"
    plain = loss_settings(Loss(name=name, normalise="none"), ledgers) or {}
    totals, tokens = [], []
    for i, ledger in enumerate(ledgers):
        picked = {
            "logprobs": ledger.logprobs[ledger.sampled],
            "advantages": ledger.advantages[ledger.sampled],
        }
        totals.append(oracle(name, trained(ledger, i)[ledger.sampled], picked, plain)[0])
        tokens.append(int(ledger.sampled.sum()))
    expected = {
        "none": sum(totals),
        "token": sum(totals) / sum(tokens),
        "sequence": sum(t / n for t, n in zip(totals, tokens, strict=True)) / len(totals),
    }[normalise]
    assert sent == pytest.approx(expected, rel=1e-5)


def test_dros_beta_is_normalised_with_its_advantages(ledgers: list[TokenLedger]) -> None:
    assert loss_settings(Loss(name="dro", beta=0.8), ledgers) == {"beta": 0.2}  # 4 tokens
    assert loss_settings(Loss(name="dro", beta=0.8, normalise="none"), ledgers) == {"beta": 0.8}


def test_clip_thresholds_are_the_papers_unless_given(ledgers: list[TokenLedger]) -> None:
    default = {"clip_low_threshold": 0.8, "clip_high_threshold": 1.2}
    assert loss_settings(Loss(name="ppo"), ledgers) == default
    higher = loss_settings(Loss(name="ppo", clip_high=1.28), ledgers)
    assert higher == {"clip_low_threshold": 0.8, "clip_high_threshold": 1.28}
    assert loss_settings(Loss(), ledgers) is None


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"clip_low": 0.8}, "does not clip"),
        ({"name": "ppo", "beta": 0.1}, "has no beta"),
        ({"name": "dro", "normalise": "sequence"}, "one beta for all"),
        ({"name": "ppo", "clip_low": 1.5}, "must be less than clip_high"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    fields: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigError, match=problem):
        Loss(**fields)


def test_a_step_in_pieces_weighs_as_much_as_a_whole(ledgers: list[TokenLedger]) -> None:
    half = loss_datums(Loss(normalise="token"), ledgers, share=0.5)
    assert half[1].loss_fn_inputs["advantages"].tolist() == [0.5]
    assert loss_settings(Loss(name="dro", beta=0.8), ledgers, share=0.5) == {"beta": 0.1}


@pytest.mark.parametrize("name", LOSSES)
def test_the_double_of_the_engine_computes_each_loss_as_written_out(
    name: Any, ledgers: list[TokenLedger], oracle: Callable[..., Any]
) -> None:
    loss = Loss(name=name)
    settings = loss_settings(loss, ledgers) or {}
    for i, (ledger, datum) in enumerate(zip(ledgers, loss_datums(loss, ledgers), strict=True)):
        inputs = {k: np.asarray(v.to_numpy(), float) for k, v in datum.loss_fn_inputs.items()}
        p_N = trained(ledger, i)[1:]
        value, slope_N = oracle(name, p_N, inputs, settings)
        found, found_slope_N = loss_and_slope(name, p_N, inputs, settings)
        assert found == pytest.approx(value)
        np.testing.assert_allclose(found_slope_N, slope_N, atol=1e-12)
