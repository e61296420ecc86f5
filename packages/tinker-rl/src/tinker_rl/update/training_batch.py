"""From groups to what a step trains on, counting everything that is left out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from attrs import evolve, frozen

from tinker_rl.errors import AllEpisodesFailedError
from tinker_rl.trajectory import TrajectoryGroup
from tinker_rl.update.advantages import Advantage, turn_advantages
from tinker_rl.update.training_sequence import TokenLedger, trajectory_ledgers


@frozen(kw_only=True)
class TrainingBatch:
    """Sequences to train on, and what was left out of them."""

    ledgers: tuple[TokenLedger, ...]
    constant_groups: int
    """Groups in which all attempts earned the same, whether left out or not."""
    empty_groups: int
    """Groups that lost every episode."""


def is_constant(group: TrajectoryGroup) -> bool:
    """Whether all attempts earned the same, so that there is nothing to compare."""
    return bool(np.ptp(group.rewards) == 0.0) if len(group.trajectories) else True


def training_batch(
    groups_P: Sequence[TrajectoryGroup],
    advantage: Advantage,
    *,
    remove_constant: bool = False,
    at_least: int = 1,
) -> TrainingBatch:
    """The sequences of all groups, each with the advantage of its turns.

    With `remove_constant`, groups in which all attempts earned the same are left out, so far as at
    least `at_least` sequences remain. Raises AllEpisodesFailedError where no token was sampled.
    """
    filled = [(p, group) for p, group in enumerate(groups_P) if group.trajectories]
    constant = {p for p, group in filled if is_constant(group)}
    ledgers_P = {p: _group_ledgers(p, group, advantage) for p, group in filled}
    kept = [ledger for p, ledgers in ledgers_P.items() for ledger in ledgers if p not in constant]
    rest = [ledger for p, ledgers in ledgers_P.items() for ledger in ledgers if p in constant]
    if not kept and not rest:
        failures = [failure.problem for group in groups_P for failure in group.failures]
        first = f"; the first of {len(failures)} failures: {failures[0]}" if failures else ""
        raise AllEpisodesFailedError(
            f"no token was sampled in a batch of {len(groups_P)} groups{first}"
        )
    wanted = max(at_least - len(kept), 0) if remove_constant else len(rest)
    return TrainingBatch(
        ledgers=(*kept, *rest[:wanted]),
        constant_groups=len(constant),
        empty_groups=len(groups_P) - len(filled),
    )


def _group_ledgers(p: int, group: TrajectoryGroup, advantage: Advantage) -> list[TokenLedger]:
    advantages_G = turn_advantages(group, advantage)
    return [
        evolve(ledger, group=p, episode=g, sampler_step=group.sampler_step)
        for g, (trajectory, advantages_K) in enumerate(
            zip(group.trajectories, advantages_G, strict=True)
        )
        for ledger in trajectory_ledgers(trajectory, advantages_K)
    ]


def split_evenly(ledgers: Sequence[TokenLedger], parts: int) -> list[Sequence[TokenLedger]]:
    """Neighbours together, sizes as equal as can be; raises AllEpisodesFailedError for too few."""
    if len(ledgers) < parts:
        raise AllEpisodesFailedError(f"{len(ledgers)} sequences cannot make {parts} substeps")
    ends = [round(i * len(ledgers) / parts) for i in range(parts + 1)]
    return [ledgers[a:b] for a, b in pairwise(ends)]
