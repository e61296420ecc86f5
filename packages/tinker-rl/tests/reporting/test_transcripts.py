"""Transcripts: every token with its numbers, and a page that no text can break out of."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import tinker

from tinker_rl import TrajectoryGroup, Transcripts, Transition, UpdateConfig
from tinker_rl.reporting.transcripts import group_rows
from tinker_rl.trajectory import Action
from tinker_rl.update.policy_update import UpdateResult
from tinker_rl.update.training_batch import training_batch


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_row_has_each_token_with_what_it_was_sampled_and_trained_with(
    turn: Any, trajectory: Any, tmp_path: Path
) -> None:
    two = trajectory(turn([1, 2], [3, 4], 1.0), turn([1, 2, 3, 4, 5], [6], 0.5))
    again = trajectory(turn([1, 2], [3]), turn([8], [9]))  # forgets, so it is two sequences
    group = TrajectoryGroup(
        trajectories=(two, again), group_rewards=[0.0, 0.25], group_metrics=({}, {"wins": 2.0})
    )
    batch = training_batch([group], UpdateConfig().advantage)
    logprobs = [np.arange(float(sequence.sampled.sum())) for sequence in batch.sequences]
    trained = UpdateResult(metrics={}, sequences=batch.sequences, logprobs=logprobs)
    asyncio.run(Transcripts(run_dir=tmp_path, groups=4).write("train", 7, [group], trained))
    first, second = read(tmp_path / "transcripts" / "train-000007.jsonl")
    assert (first["split"], first["step"], first["group"], first["episode"]) == ("train", 7, 0, 0)
    assert (first["reward"], second["reward"]) == (1.5, 0.25)
    assert second["metrics"] == {"wins": 2.0}
    assert [t["prompt"] for t in first["turns"]] == ["1 2", "5"]
    assert [t["prompt"] for t in second["turns"]] == ["1 2", "8"]
    assert [t["prompt_extends"] for t in second["turns"]] == [False, False]
    assert [t["tokens"] for t in first["turns"]] == [[3, 4], [6]]
    assert first["turns"][1]["logprobs"] == [-0.06]
    assert [t["trained_logprobs"] for t in first["turns"]] == [[0.0, 1.0], [2.0]]
    assert [t["trained_logprobs"] for t in second["turns"]] == [[0.0], [0.0]]
    assert [t["advantages"] for t in first["turns"]] == [[0.625, 0.625], [0.625]]


def test_only_so_many_groups_are_kept(group: Any, tmp_path: Path) -> None:
    asyncio.run(Transcripts(run_dir=tmp_path, groups=2).write("test", 0, [group(0, 1)] * 5))
    rows = read(tmp_path / "transcripts" / "test-000000.jsonl")
    assert [(row["group"], row["episode"]) for row in rows] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert rows[0]["turns"][0]["trained_logprobs"] is None
    asyncio.run(Transcripts(run_dir=tmp_path / "none", groups=0).write("test", 0, [group(0, 1)]))
    assert not (tmp_path / "none").exists()


def test_an_episode_without_a_turn_is_a_row_too(trajectory: Any) -> None:
    group = TrajectoryGroup(trajectories=(trajectory(),), group_rewards=[1.0], group_metrics=({},))
    (row,) = group_rows(group, str, {})
    assert (row["turns"], row["reward"], row["stop"]) == ([], 1.0, "completed")


def test_an_image_is_named_in_its_place(trajectory: Any, tmp_path: Path) -> None:
    image = tinker.types.ImageChunk(data=b"x", format="png", expected_tokens=3)
    text = tinker.EncodedTextChunk(tokens=[1, 2])
    seen = tinker.ModelInput(chunks=[image, text])
    turn = Transition(observation=seen, action=Action(tokens=[3], logprobs=[-1.0]))
    one = TrajectoryGroup(
        trajectories=(trajectory(turn),), group_rewards=[0.0], group_metrics=({},)
    )
    asyncio.run(Transcripts(run_dir=tmp_path, groups=1).write("train", 0, [one]))
    (row,) = read(tmp_path / "transcripts" / "train-000000.jsonl")
    assert row["turns"][0]["prompt"] == "[image: 3 tokens]1 2"
    assert row["turns"][0]["prompt_tokens"] == 5
