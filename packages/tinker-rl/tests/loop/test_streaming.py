"""Streaming accumulates the gradient of a batch while groups are sampled."""

import asyncio
from typing import Any

import pytest

from tinker_rl import (
    ImportanceSampling,
    Streaming,
    Synchronous,
    UpdateConfig,
)
from tinker_train.files import read_rows


def test_a_streaming_step_gathers_its_gradient_in_pieces(bench: Any, arms: Any) -> None:
    config = bench.config(mode=Streaming(micro_batches=4))
    bench.run(config, [arms(size=2)] * 8, per_batch=8)
    assert bench.training.calls[:6] == [
        "save_weights_and_get_sampling_client",
        *["forward_backward"] * 4,
        "optim_step",
    ]


def test_a_gradient_in_pieces_is_the_gradient_of_the_whole(bench: Any, arms: Any) -> None:
    update = UpdateConfig(loss=ImportanceSampling(normalise="sequence"))
    rows = []
    for name, mode in (("whole", Synchronous()), ("pieces", Streaming(micro_batches=4))):
        config = bench.config(run_dir=bench.folder / name, mode=mode, update=update, transcripts=8)
        bench.run(config, [arms(prompt=i, pays=3 + i) for i in range(8)], per_batch=8)
        rows += bench.metrics(config)
        transcript = read_rows(config.run_dir / "transcripts" / "train-000000.jsonl")
        assert len(transcript) == 64
        for episode in transcript:  # each token of each piece came back to its own episode
            (turn,) = episode["turns"]
            assert turn["trained_logprobs"] == pytest.approx(turn["logprobs"], rel=1e-6)
    whole, pieces = rows
    assert whole["optim/grad_norm"] > 0
    for metric in ("optim/grad_norm", "num_loss_tokens", "batch/sequences", "train/reward"):
        assert pieces[metric] == pytest.approx(whole[metric], rel=1e-5), metric


def test_training_begins_before_the_last_group_has_finished(bench: Any, arms: Any) -> None:
    sent = asyncio.Event()

    async def note(sequences: Any, groups_P: Any) -> Any:
        sent.set()
        return sequences, {}

    async def waits(arms: Any) -> None:
        if arms.prompt == 2:
            await sent.wait()  # a loop that waits for all groups would never end

    config = bench.config(mode=Streaming(micro_batches=2))
    groups = [arms(prompt=1), arms(prompt=2, reached=waits)]
    assert bench.run(config, groups, transforms=[note]).step == 1
