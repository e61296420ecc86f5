"""Evaluators that sample from a model."""

import asyncio

import pytest
import tinker

from tinker_core import ConfigError, EngineError
from tinker_core.testing import BigramService, ReadyFuture, refused
from tinker_train import evaluate_snapshot, run_evaluators


def returns(**metrics):
    async def evaluator(_):
        return metrics

    return evaluator


def test_the_metrics_of_evaluators_have_their_own_prefix():
    metrics = asyncio.run(run_evaluators(None, [returns(step=999.0), returns(accuracy=0.5)]))
    assert metrics == {"eval/step": 999.0, "eval/accuracy": 0.5}


def test_a_name_that_two_evaluators_return_is_refused():
    with pytest.raises(ConfigError, match="evaluators: two metrics are called 'eval/accuracy'"):
        asyncio.run(run_evaluators(None, [returns(accuracy=0.5), returns(accuracy=0.25)]))


def test_evaluators_run_concurrently():
    async def scenario():
        begun, both = [], asyncio.Event()

        async def wait(_):
            begun.append(1)
            if len(begun) == 2:
                both.set()
            await both.wait()
            return {}

        await run_evaluators(None, [wait, wait])

    asyncio.run(scenario())


def test_a_snapshot_is_of_the_weights_at_its_submission(tmp_path):
    training = BigramService(tmp_path).create_lora_training_client("double").result()

    async def logprob(sampler):
        values = await sampler.compute_logprobs(tinker.ModelInput.from_ints([1, 2]))
        return {"logprob": values[1]}

    pending = evaluate_snapshot(training, [logprob])
    training.model.logits[1, 2] = 50.0  # a step after it
    assert asyncio.run(pending)["eval/logprob"] < -1.0


def test_a_snapshot_that_fails_is_an_engine_error():
    class Broken:
        def save_weights_and_get_sampling_client(self):
            def call():
                raise refused("disk full")

            return ReadyFuture(call)

    with pytest.raises(EngineError, match=r"evaluation by sampling: .*disk full"):
        asyncio.run(evaluate_snapshot(Broken(), [returns()]))
