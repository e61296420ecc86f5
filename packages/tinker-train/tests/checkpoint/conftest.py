"""A training client, records and saved checkpoints."""

import asyncio

import pytest

from tinker_core.testing import BigramService
from tinker_train import CheckpointRecord, Progress, finish_checkpoint, submit_checkpoint


@pytest.fixture
def training(tmp_path):
    """A bigram model."""
    return BigramService(tmp_path / "engine").create_lora_training_client("double").result()


@pytest.fixture
def record():
    """Makes the record of a step."""

    def make(step, **fields):
        return CheckpointRecord(
            name=f"{step:06d}",
            progress=Progress(step=step, tokens=step * 10),
            position={"epoch": 0, "batch": step},
            **fields,
        )

    return make


@pytest.fixture
def save(training, record):
    """Saves a checkpoint of a step and records it in a file."""

    def run(file, step, **options):
        submitted = submit_checkpoint(training, record(step), **options)
        return asyncio.run(finish_checkpoint(submitted, file))

    return run
