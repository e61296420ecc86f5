"""Saving checkpoints."""

import asyncio

import pytest

from tinker_core import EngineError
from tinker_core.testing import BigramService, ReadyFuture
from tinker_train import (
    finish_checkpoint,
    read_checkpoints,
)
from tinker_train.checkpoint.save import SubmittedCheckpoint


def test_nothing_is_recorded_before_the_engine_has_saved(tmp_path, record):
    file = tmp_path / "checkpoints.jsonl"
    seen = []

    class Saving(ReadyFuture):
        async def result_async(self, timeout=None):
            seen.append(file.exists())
            return await super().result_async(timeout)

    training = BigramService(tmp_path / "engine").create_lora_training_client("double").result()
    saved = training.save_state("000001").result()
    checkpoint = SubmittedCheckpoint(record=record(1), state=Saving(lambda: saved), sampler=None)
    asyncio.run(finish_checkpoint(checkpoint, file))
    assert seen == [False]
    assert file.exists()


def test_a_save_that_fails_is_not_recorded(tmp_path, save):
    file = tmp_path / "checkpoints.jsonl"
    save(file, 10)
    with pytest.raises(EngineError, match=r"save of checkpoint 000010: .*exists"):
        save(file, 10)
    assert len(read_checkpoints(file)) == 1
