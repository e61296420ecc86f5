"""Datums of each loss, normalised, against sums over the sampled tokens written out."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from attrs import evolve

from tinker_core.testing import loss_and_slope
from tinker_rl import (
    Cispo,
    Dro,
    Gspo,
    ImportanceSampling,
    Loss,
    Ppo,
    TrainingSequence,
    loss_datums,
    training_sequences,
)

LOSSES = [ImportanceSampling(), Ppo(), Cispo(), Dro(), Gspo()]


@pytest.fixture
def sequences(turn: Callable[..., Any], trajectory: Callable[..., Any]) -> list[TrainingSequence]:
    """Three and one sampled tokens."""
    long = trajectory(turn([1], [2, 3]), turn([1, 2, 3, 4], [5]))
    short = trajectory(turn([6], [7]))
    return [*training_sequences(long, [1.0, -2.0]), *training_sequences(short, [4.0])]


def trained(sequence: TrainingSequence, seed: int) -> np.ndarray:
    """Logprobs of the model in training, away from the sampler's by up to 0.6."""
    return sequence.logprobs + np.random.default_rng(seed).uniform(-0.6, 0.6, sequence.tokens.size)


def test_each_number_stands_at_the_token_that_it_is_about(
    sequences: list[TrainingSequence],
) -> None:
    (datum, _), _ = loss_datums(ImportanceSampling(normalise="none"), sequences)
    inputs = {name: value.to_numpy().tolist() for name, value in datum.loss_fn_inputs.items()}
    assert datum.model_input.to_ints() == [1, 2, 3, 4]
    assert inputs["target_tokens"] == [2, 3, 4, 5]
    assert inputs["advantages"] == [1.0, 1.0, 0.0, -2.0]
    assert inputs["logprobs"] == pytest.approx([-0.02, -0.03, 0.0, -0.05])
    assert set(inputs) == {"target_tokens", "advantages", "logprobs"}


def test_normalised_by_token_the_advantages_of_a_step_are_shared_by_its_tokens(
    sequences: list[TrainingSequence],
) -> None:
    (long, short), _ = loss_datums(ImportanceSampling(normalise="token"), sequences)
    assert long.loss_fn_inputs["advantages"].tolist() == [0.25, 0.25, 0.0, -0.5]
    assert short.loss_fn_inputs["advantages"].tolist() == [1.0]


def test_normalised_by_sequence_each_has_the_same_say(sequences: list[TrainingSequence]) -> None:
    (long, short), _ = loss_datums(ImportanceSampling(normalise="sequence"), sequences)
    assert long.loss_fn_inputs["advantages"].tolist() == pytest.approx([1 / 6, 1 / 6, 0, -2 / 6])
    assert short.loss_fn_inputs["advantages"].tolist() == [2.0]


def named(loss: Loss) -> str:
    return loss.name


@pytest.mark.parametrize("normalise", ["token", "sequence", "none"])
@pytest.mark.parametrize("loss", LOSSES, ids=named)
def test_the_loss_is_the_average_that_it_says(
    loss: Loss, normalise: Any, sequences: list[TrainingSequence], oracle: Callable[..., Any]
) -> None:
    if isinstance(loss, Dro) and normalise == "sequence":
        return  # refused, see test_losses
    loss = evolve(loss, normalise=normalise)
    datums, settings = loss_datums(loss, sequences)
    sent = 0.0
    for i, (sequence, datum) in enumerate(zip(sequences, datums, strict=True)):
        inputs = {k: np.asarray(v.to_numpy(), float) for k, v in datum.loss_fn_inputs.items()}
        value, slope_N = oracle(loss.name, trained(sequence, i)[1:], inputs, settings or {})
        sent += value
        assert not slope_N[~sequence.sampled[1:]].any(), "a prompt token is trained on"
    _, plain = loss_datums(evolve(loss, normalise="none"), sequences)
    totals, tokens = [], []
    for i, sequence in enumerate(sequences):
        picked = {
            "logprobs": sequence.logprobs[sequence.sampled],
            "advantages": sequence.advantages[sequence.sampled],
        }
        p_S = trained(sequence, i)[sequence.sampled]
        totals.append(oracle(loss.name, p_S, picked, plain or {})[0])
        tokens.append(int(sequence.sampled.sum()))
    expected = {
        "none": sum(totals),
        "token": sum(totals) / sum(tokens),
        "sequence": sum(t / n for t, n in zip(totals, tokens, strict=True)) / len(totals),
    }[normalise]
    assert sent == pytest.approx(expected, rel=1e-5)


def test_a_micro_batch_weighs_its_part_of_a_step(sequences: list[TrainingSequence]) -> None:
    (_, short), _ = loss_datums(ImportanceSampling(normalise="token"), sequences, weight=0.5)
    assert short.loss_fn_inputs["advantages"].tolist() == [0.5]
    assert loss_datums(Dro(beta=0.8), sequences, weight=0.5)[1] == {"beta": 0.1}


@pytest.mark.parametrize("loss", LOSSES, ids=named)
def test_the_double_of_the_engine_computes_each_loss_as_written_out(
    loss: Loss, sequences: list[TrainingSequence], oracle: Callable[..., Any]
) -> None:
    datums, settings = loss_datums(loss, sequences)
    for i, (sequence, datum) in enumerate(zip(sequences, datums, strict=True)):
        inputs = {k: np.asarray(v.to_numpy(), float) for k, v in datum.loss_fn_inputs.items()}
        p_N = trained(sequence, i)[1:]
        value, slope_N = oracle(loss.name, p_N, inputs, settings or {})
        found, found_slope_N = loss_and_slope(loss.name, p_N, inputs, settings or {})
        assert found == pytest.approx(value)
        np.testing.assert_allclose(found_slope_N, slope_N, atol=1e-12)
