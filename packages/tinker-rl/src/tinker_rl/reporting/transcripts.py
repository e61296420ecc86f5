"""What happened in a batch, episode by episode: JSONL for programs, a page for people.

transcripts/train-000012.jsonl   a row for each episode, of the batch after 12 optimizer steps
logtree/train-000012.html        the same to read
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from attrs import asdict, frozen

from tinker_rl.reporting.transcript_page import page
from tinker_rl.stop_reason import stop_name
from tinker_rl.trajectory import Trajectory, TrajectoryGroup, Transition
from tinker_rl.update.optimizer_step import Trained
from tinker_rl.update.training_sequence import Floats, Seen, observed
from tinker_train.files import write_whole

Decode = Callable[[Sequence[int]], str]
_Key = tuple[int, int]


@frozen(kw_only=True)
class Transcripts:
    """Where transcripts go, and how many."""

    run_dir: Path
    groups: int
    """How many of a batch's groups are kept."""
    decode: Decode | None = None
    """Token ids to text; without it there is only the ids."""

    def write(
        self,
        split: str,
        step: int,
        groups_P: Sequence[TrajectoryGroup],
        trained: Trained | None = None,
    ) -> None:
        """Write the first groups of a batch; where it was trained on, with what came back."""
        if not self.groups:
            return
        decode = self.decode or (lambda tokens: " ".join(map(str, tokens)))
        back = _by_episode(trained)
        rows = [
            {"split": split, "step": step, "group": p, "episode": g, **row}
            for p, group in enumerate(groups_P[: self.groups])
            for g, row in enumerate(group_rows(group, decode, _of_group(back, p)))
        ]
        pieces = [
            decode([token]) for row in rows for turn in row["turns"] for token in turn["tokens"]
        ]
        rewards = np.concatenate([group.rewards for group in groups_P] or [np.zeros(0)])
        name = f"{split}-{step:06d}"
        for folder in ("transcripts", "logtree"):
            (self.run_dir / folder).mkdir(parents=True, exist_ok=True)
        lines = "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
        write_whole(self.run_dir / "transcripts" / f"{name}.jsonl", lines)
        write_whole(self.run_dir / "logtree" / f"{name}.html", page(name, rows, pieces, rewards))


@frozen
class _Back:
    """Of one episode's sampled tokens, in order: what they were trained with."""

    advantages: Floats
    logprobs: Floats


def group_rows(
    group: TrajectoryGroup, decode: Decode, back_G: Mapping[int, _Back]
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
                "turns": _turns(episode, decode, back_G.get(g)),
            }
        )
    return rows


def _turns(episode: Trajectory, decode: Decode, back: _Back | None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    so_far: list[Seen] = []
    at = 0
    for turn in episode.transitions:
        seen = observed(turn.observation)
        goes_on = bool(so_far) and seen[: len(so_far)] == so_far
        end = at + len(turn.action.tokens)
        rows.append(
            {
                "prompt": _text(seen[len(so_far) :] if goes_on else seen, decode),
                "prompt_goes_on": goes_on,
                "prompt_tokens": len(seen),
                **_action(turn, decode),
                "advantages": None if back is None else back.advantages[at:end].tolist(),
                "trained_logprobs": None if back is None else back.logprobs[at:end].tolist(),
            }
        )
        so_far = [*seen, *turn.action.tokens]
        at = end
    return rows


def _text(seen: Sequence[Seen], decode: Decode) -> str:
    """The tokens as text; an image is named in its place."""
    pieces = []
    for is_text, run in groupby(seen, key=lambda token: isinstance(token, int)):
        tokens = [token if isinstance(token, int) else 0 for token in run]
        pieces.append(decode(tokens) if is_text else f"[image: {len(tokens)} tokens]")
    return "".join(pieces)


def _action(turn: Transition, decode: Decode) -> dict[str, Any]:
    return {
        "text": decode(turn.action.tokens),
        "tokens": list(turn.action.tokens),
        "logprobs": list(turn.action.logprobs),
        "cut_short": turn.action.cut_short,
        "reward": turn.reward,
        "metrics": dict(turn.metrics),
        "logs": dict(turn.logs),
    }


def _by_episode(trained: Trained | None) -> dict[_Key, _Back]:
    if trained is None:
        return {}
    pieces: dict[_Key, list[tuple[Floats, Floats]]] = defaultdict(list)
    for ledger, logprobs_S in zip(trained.ledgers, trained.logprobs, strict=True):
        key = (ledger.group, ledger.episode)
        pieces[key].append((ledger.advantages[ledger.sampled], logprobs_S))
    return {
        key: _Back(np.concatenate([a for a, _ in found]), np.concatenate([lp for _, lp in found]))
        for key, found in pieces.items()
    }


def _of_group(back: Mapping[_Key, _Back], p: int) -> dict[int, _Back]:
    return {episode: found for (group, episode), found in back.items() if group == p}
