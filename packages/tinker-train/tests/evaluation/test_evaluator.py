"""Evaluators that sample from a model."""

import asyncio

import pytest
import tinker

from tinker_core import EngineError
from tinker_core.testing import BigramService, ReadyFuture, refused
from tinker_train import evaluate_snapshot, run_evaluators


async def one(_):
    return {"test/one": 1.0, "test/both": 1.0}


async def two(_):
    return {"test/two": 2.0, "test/both": 2.0}


def test_the_metrics_of_all_evaluators_are_joined_and_the_later_one_counts():
    metrics = asyncio.run(run_evaluators(None, [one, two]))
    assert metrics == {"test/one": 1.0, "test/two": 2.0, "test/both": 2.0}


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
    assert asyncio.run(pending)["logprob"] < -1.0


def test_a_snapshot_that_fails_is_an_engine_error():
    class Broken:
        def save_weights_and_get_sampling_client(self):
            def call():
                raise refused("disk full")

            return ReadyFuture(call)

    with pytest.raises(EngineError, match=r"evaluation by sampling: .*disk full"):
        asyncio.run(evaluate_snapshot(Broken(), [one]))
