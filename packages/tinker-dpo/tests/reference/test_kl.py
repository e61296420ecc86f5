"""The distance to the reference, against its closed form on a bigram model."""

import asyncio

import numpy as np
import pytest
import tinker
from attrs import evolve, frozen

from tinker_core import next_token_datum
from tinker_core.testing import BigramService
from tinker_dpo import Evaluation, PreferenceFile, RenderedResponse
from tinker_dpo.reference.kl import KlToReference, prompt_of
from tinker_train import Adam, Constant, Every, read_metrics


@pytest.fixture
def service(engine_home):
    return BigramService(engine_home, vocab_size=6)


def test_the_estimate_is_the_kl_of_the_next_token_where_a_response_is_one_token(service) -> None:
    policy = service.create_lora_training_client("m").result()
    reference = service.create_lora_training_client("m").result()
    policy.model.logits[2] = [2.0, 0.0, -1.0, 0.5, 0.0, 1.0]
    reference.model.logits[2] = [0.0, 0.5, 0.0, 0.0, -0.5, 1.0]
    p, q = (model.logprobs()[2] for model in (policy.model, reference.model))
    expected = float((np.exp(p) * (p - q)).sum())

    sampler = policy.save_weights_and_get_sampling_client().result()
    values = []
    for seed in range(400):
        params = tinker.SamplingParams(max_tokens=1, temperature=1.0, seed=seed)
        kl = KlToReference(reference=reference, prompts=[[1, 2]], params=params)
        values.append(asyncio.run(kl(sampler))["kl_to_reference"])
    error = np.std(values) / np.sqrt(len(values))
    assert np.mean(values) == pytest.approx(expected, abs=4 * error)
    assert set(reference.calls) == {"forward"}


def test_it_is_zero_between_a_model_and_itself(service) -> None:
    model = service.create_lora_training_client("m").result()
    sampler = model.save_weights_and_get_sampling_client().result()
    params = tinker.SamplingParams(max_tokens=7, temperature=1.0, seed=0)
    metrics = asyncio.run(
        KlToReference(reference=model, prompts=[[1], [2]], params=params)(sampler)
    )
    assert metrics["kl_to_reference"] == pytest.approx(0.0, abs=1e-5)


def test_a_prompt_is_what_comes_before_the_response() -> None:
    datum = next_token_datum([7, 8, 9, 10], weights=[0, 0, 1, 1])
    assert prompt_of(RenderedResponse(datum)) == [7, 8]


@frozen(kw_only=True)
class CountTokens:
    """An evaluator that says how long one sample is."""

    def build(self, *, renderer):
        async def evaluator(sampler):
            params = tinker.SamplingParams(max_tokens=3, seed=0)
            response = await sampler.sample(tinker.ModelInput.from_ints([1]), 1, params)
            return {"length": float(len(response.sequences[0].tokens))}

        return evaluator


def test_kl_and_evaluators_are_measured_with_the_held_out_pairs(
    run_on_double, make_config, write_rows
) -> None:
    rows = [{"prompt": f"q{i}", "chosen": "b", "rejected": "c"} for i in range(24)]
    config = make_config(
        data=PreferenceFile(path=write_rows(rows), test_rows=4),
        adam=Adam(learning_rate=1.0),  # ten steps of one nat each: the policy says b
        evaluation=Evaluation(every=Every(steps=5), kl_prompts=4, kl_max_tokens=6),
        evaluators=(CountTokens(),),
        schedule=Constant(),
    )
    evaluators = [builder.build(renderer=None) for builder in config.evaluators]
    run_on_double(config, evaluators=evaluators)
    rows = [row for row in read_metrics(config.run_dir / "metrics.jsonl") if "test/loss" in row]
    assert [row["step"] for row in rows] == [0, 5, 10]
    assert rows[0]["eval/kl_to_reference"] == pytest.approx(0.0, abs=1e-4)
    assert rows[-1]["eval/kl_to_reference"] > 1.0
    assert all(row["eval/length"] == 3 for row in rows)
    again = evolve(config, run_dir=config.run_dir.with_name("again"))
    run_on_double(again, evaluators=evaluators)
    again = read_metrics(config.run_dir.with_name("again") / "metrics.jsonl")
    assert again[-1]["eval/kl_to_reference"] == rows[-1]["eval/kl_to_reference"]
