"""The bigram double: closed forms, and a loss that falls."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
import tinker

from tinker_core import next_token_datum
from tinker_core.testing import BigramModel, BigramService, loss_and_slope


def test_cross_entropy_of_a_blank_model_is_log_of_the_vocabulary(tmp_path: Path) -> None:
    client = BigramService(tmp_path, vocab_size=8).create_lora_training_client("m").result()
    output = client.forward([next_token_datum([1, 2, 3], weights=[0, 1, 2])], "cross_entropy")
    assert output.result().metrics["loss:sum"] == pytest.approx(3 * np.log(8))


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


def test_it_learns_and_its_checkpoints_outlive_it(tmp_path: Path) -> None:
    data = [next_token_datum([1, 2, 3, 1, 2, 3], weights=np.ones(6))]
    service = BigramService(tmp_path, vocab_size=8)
    client = service.create_lora_training_client("m").result()

    def step(client: object) -> float:
        loss = client.forward_backward(data, "cross_entropy").result().metrics["loss:sum"]
        client.optim_step(tinker.AdamParams(learning_rate=0.1)).result()
        return loss

    losses = [step(client) for _ in range(10)]
    assert losses[-1] < losses[0] / 2
    path = client.save_state("ten").result().path
    again = BigramService(tmp_path, vocab_size=8)
    resumed = again.create_training_client_from_state_with_optimizer(path).result()
    cold = again.create_training_client_from_state(path).result()
    continued = [step(client) for _ in range(3)]
    assert [step(resumed) for _ in range(3)] == continued
    assert [step(cold) for _ in range(3)] != continued
    sampler = again.create_sampling_client(model_path=path).result()
    params = tinker.SamplingParams(max_tokens=5, temperature=0, stop=[3])
    answer = sampler.sample(tinker.ModelInput.from_ints([1]), 2, params).result()
    assert [sequence.tokens for sequence in answer.sequences] == [[2, 3], [2, 3]]
    assert answer.sequences[0].stop_reason == "stop"


def test_a_seeded_request_repeats_itself_and_its_samples_differ(tmp_path: Path) -> None:
    sampler = BigramService(tmp_path).create_sampling_client(base_model="m").result()
    params = tinker.SamplingParams(max_tokens=8, seed=3)
    prompt = tinker.ModelInput.from_ints([1])
    first, second = (sampler.sample(prompt, 2, params).result() for _ in range(2))
    assert [s.tokens for s in first.sequences] == [s.tokens for s in second.sequences]
    assert first.sequences[0].tokens != first.sequences[1].tokens


def test_a_refusal_comes_through_the_future(tmp_path: Path) -> None:
    client = BigramService(tmp_path).create_lora_training_client("m").result()
    future = client.forward_backward([next_token_datum([1, 2], weights=[1, 1])], "mystery")
    with pytest.raises(tinker.RequestFailedError, match="mystery"):
        future.result()

    async def wait() -> None:
        await future

    with pytest.raises(tinker.RequestFailedError):
        asyncio.run(wait())


Q = np.log([0.5, 0.2, 0.25])
P = np.log([0.75, 0.1, 0.2])  # ratios 1.5, 0.5, 0.8
A = np.array([2.0, -1.0, 1.0])
GSPO_RATIO = 0.6 ** (1 / 3)


@pytest.mark.parametrize(
    ("loss", "settings", "value", "slope"),
    [
        ("importance_sampling", {}, -(3.0 - 0.5 + 0.8), [-3.0, 0.5, -0.8]),
        # min(3, 1.2*2), min(-0.5, 0.8*-1), min(0.8, 0.8): the clip holds back the first two
        ("ppo", {}, -(2.4 - 0.8 + 0.8), [0.0, 0.0, -0.8]),
        ("ppo", {"clip_low_threshold": 0.4}, -(2.4 - 0.5 + 0.8), [0.0, 0.5, -0.8]),
        (
            "cispo",
            {"clip_high_threshold": 1.2},
            -(2.4 * P[0] - 0.5 * P[1] + 0.8 * P[2]),
            [-2.4, 0.5, -0.8],
        ),
        (
            "dro",
            {"beta": 2.0},
            -(A @ P - ((P - Q) ** 2).sum()),
            2.0 * (P - Q) - A,
        ),
        ("gspo", {}, -2 * GSPO_RATIO, [-2 * GSPO_RATIO, GSPO_RATIO, -GSPO_RATIO]),
    ],
)
def test_a_policy_loss_is_what_its_formula_gives_by_hand(
    loss: str, settings: dict[str, float], value: float, slope: list[float]
) -> None:
    inputs = {"logprobs": Q, "advantages": A, "sequence_ratio_mask": np.ones(3)}
    found, slope_N = loss_and_slope(loss, P, inputs, settings)
    assert found == pytest.approx(value)
    np.testing.assert_allclose(slope_N, slope)


def test_tokens_of_a_prompt_have_no_say() -> None:
    prompt = {"logprobs": np.append(0.0, Q), "advantages": np.append(0.0, A)}
    mask = {"sequence_ratio_mask": np.array([0.0, 1.0, 1.0, 1.0])}
    alone = {"logprobs": Q, "advantages": A, "sequence_ratio_mask": np.ones(3)}
    for loss in ("importance_sampling", "ppo", "cispo", "dro", "gspo"):
        value, slope_N = loss_and_slope(loss, np.append(-3.0, P), {**prompt, **mask}, {})
        without, slope = loss_and_slope(loss, P, alone, {})
        assert value == pytest.approx(without), loss
        np.testing.assert_allclose(slope_N, np.append(0.0, slope))


def test_dro_pulls_at_sampled_tokens_that_have_no_advantage() -> None:
    inputs = {"logprobs": np.array([-2.0]), "advantages": np.array([0.0])}
    value, slope_N = loss_and_slope("dro", np.array([-1.0]), inputs, {"beta": 2.0})
    assert (value, slope_N.tolist()) == (1.0, [2.0])  # beta/2 * 1^2, and beta * 1


@pytest.mark.parametrize(
    ("loss", "inputs", "settings", "problem"),
    [
        ("gspo", ("logprobs", "advantages"), {}, "sequence_ratio_mask"),
        ("ppo", ("logprobs",), {}, "advantages"),
        ("importance_sampling", ("logprobs", "advantages"), {"beta": 1.0}, "no setting"),
    ],
)
def test_what_a_loss_does_not_find_or_know_is_refused(
    loss: str, inputs: tuple[str, ...], settings: dict[str, float], problem: str
) -> None:
    with pytest.raises(tinker.RequestFailedError, match=problem):
        loss_and_slope(loss, P, dict.fromkeys(inputs, Q), settings)
