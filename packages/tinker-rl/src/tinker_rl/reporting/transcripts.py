"""Transcripts of a batch, episode by episode: JSONL for programs, an HTML page for people.

transcripts/train-000012.jsonl   one row for each episode of the batch after 12 optimizer steps
logtree/train-000012.html        the same as a page
"""

from __future__ import annotations

import json
from array import array
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from attrs import asdict, frozen

from tinker_rl.prompt import Piece, piece_length
from tinker_rl.reporting.transcript_page import page
from tinker_rl.stop_reason import stop_name
from tinker_rl.trajectory import Trajectory, TrajectoryGroup, Transition
from tinker_rl.update.policy_update import UpdateResult
from tinker_rl.update.training_sequence import Floats
from tinker_rl.user_code import in_thread
from tinker_train import Run
from tinker_train.files import atomic_write

Decode = Callable[[Sequence[int]], str]
_Key = tuple[int, int]


@frozen(kw_only=True)
class Transcripts:
    """The transcripts of a run."""

    run_dir: Path
    groups: int
    """Groups of each batch to keep."""
    decode: Decode | None = None
    """Token ids to text; without it, transcripts hold token ids alone."""

    @classmethod
    def of_run(cls, run: Run, *, groups: int, decode: Decode | None) -> Self:
        """The transcripts in the directory of a run."""
        return cls(run_dir=run.directory.path, groups=groups, decode=decode)

    async def write(
        self,
        split: str,
        step: int,
        groups_P: Sequence[TrajectoryGroup],
        trained: UpdateResult | None = None,
    ) -> None:
        """Write the first groups of a batch in a thread, with the results of training on it."""
        if self.groups:
            await in_thread(self._write, split, step, tuple(groups_P), trained)

    def _write(
        self,
        split: str,
        step: int,
        groups_P: Sequence[TrajectoryGroup],
        trained: UpdateResult | None,
    ) -> None:
        decode = self.decode or (lambda tokens: " ".join(map(str, tokens)))
        results = _results_of_episodes(trained)
        rows = [
            {"split": split, "step": step, "group": p, "episode": g, **row}
            for p, group in enumerate(groups_P[: self.groups])
            for g, row in enumerate(group_rows(group, decode, _of_group(results, p)))
        ]
        token_texts = [
            decode([token]) for row in rows for turn in row["turns"] for token in turn["tokens"]
        ]
        rewards = np.concatenate([group.rewards for group in groups_P] or [np.zeros(0)])
        name = f"{split}-{step:06d}"
        for folder in ("transcripts", "logtree"):
            (self.run_dir / folder).mkdir(parents=True, exist_ok=True)
        lines = "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
        atomic_write(self.run_dir / "transcripts" / f"{name}.jsonl", lines)
        atomic_write(
            self.run_dir / "logtree" / f"{name}.html", page(name, rows, token_texts, rewards)
        )


@frozen
class _EpisodeResult:
    """Of one episode's S sampled tokens, in order; both have shape (S,)."""

    advantages: Floats
    logprobs: Floats


def group_rows(
    group: TrajectoryGroup, decode: Decode, results_G: Mapping[int, _EpisodeResult]
) -> list[dict[str, Any]]:
    """One row for each episode of a group."""
    rows = []
    for g, (episode, total) in enumerate(zip(group.trajectories, group.rewards, strict=True)):
        rows.append(
            {
                "tags": list(group.tags),
                "sampler_step": group.sampler_step,
                "reward": float(total),
                "final_reward": episode.final_reward,
                "group_reward": group.group_rewards[g],
                "metrics": {**episode.metrics, **group.group_metrics[g]},
                "stop": stop_name(episode.stop),
                "stop_details": asdict(episode.stop),
                "turns": _turns(episode, decode, results_G.get(g)),
            }
        )
    return rows


def _turns(
    episode: Trajectory, decode: Decode, result: _EpisodeResult | None
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    at = 0
    for turn in episode.transitions:
        end = at + len(turn.action)
        rows.append(
            {
                "prompt": _text(turn.prompt.new, decode),
                "prompt_token_ids": _token_ids(turn.prompt.new),
                "prompt_extends": turn.prompt.before is not None,
                "prompt_tokens": turn.prompt.length,
                **_action(turn, decode),
                "advantages": None if result is None else result.advantages[at:end].tolist(),
                "trained_logprobs": None if result is None else result.logprobs[at:end].tolist(),
            }
        )
        at = end
    return rows


def _text(pieces: Sequence[Piece], decode: Decode) -> str:
    """The pieces as text, with the name of each image in its place."""
    return "".join(
        decode(piece.tolist()) if isinstance(piece, array) else f"[image: {piece.length} tokens]"
        for piece in pieces
    )


def _token_ids(pieces: Sequence[Piece]) -> list[int | None]:
    """The token ids of the pieces, with a null for each token of an image."""
    ids: list[int | None] = []
    for piece in pieces:
        ids += piece.tolist() if isinstance(piece, array) else [None] * piece_length(piece)
    return ids


def _action(turn: Transition, decode: Decode) -> dict[str, Any]:
    return {
        "text": decode(turn.action.tokens),
        "tokens": list(turn.action.tokens),
        "logprobs": [float(str(np.float32(p))) for p in turn.action.logprob_array],
        "cut_short": turn.action.cut_short,
        "reward": turn.reward,
        "metrics": dict(turn.metrics),
        "logs": dict(turn.logs),
    }


def _results_of_episodes(trained: UpdateResult | None) -> dict[_Key, _EpisodeResult]:
    if trained is None:
        return {}
    parts: dict[_Key, list[tuple[Floats, Floats]]] = defaultdict(list)
    for sequence, logprobs_S in zip(trained.sequences, trained.logprobs, strict=True):
        advantages_S = sequence.advantages[sequence.sampled]
        parts[sequence.group, sequence.episode].append((advantages_S, logprobs_S))
    return {
        key: _EpisodeResult(
            np.concatenate([advantages_S for advantages_S, _ in found]),
            np.concatenate([logprobs_S for _, logprobs_S in found]),
        )
        for key, found in parts.items()
    }


def _of_group(results: Mapping[_Key, _EpisodeResult], p: int) -> dict[int, _EpisodeResult]:
    return {episode: found for (group, episode), found in results.items() if group == p}
