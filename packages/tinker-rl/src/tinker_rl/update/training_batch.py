"""From groups to the training sequences of a batch. Everything that is left out is counted."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve, frozen

from tinker_rl.errors import AllEpisodesFailedError
from tinker_rl.trajectory import TrajectoryGroup
from tinker_rl.update.advantages import Advantage, Array, turn_advantages
from tinker_rl.update.training_sequence import TrainingSequence, training_sequences
from tinker_train import split_list


@frozen(kw_only=True)
class TrainingBatch:
    """The training sequences of some groups."""

    sequences: tuple[TrainingSequence, ...]
    constant: frozenset[int]
    """Indices of the groups whose advantages are all zero, because their rewards do not differ.
    They have no gradient, unless an advantage transform gives them one."""
    empty_groups: int
    """Groups that lost every episode."""


def training_batch(
    groups_P: Sequence[TrajectoryGroup],
    advantage: Advantage,
    *,
    remove_constant: bool = False,
    at_least: int = 1,
) -> TrainingBatch:
    """The sequences of all groups, each with the advantages of its turns.

    With `remove_constant`, groups without a difference in reward are dropped, but at least
    `at_least` sequences are kept. Raises AllEpisodesFailedError where no token was sampled.
    """
    filled = [(p, group) for p, group in enumerate(groups_P) if group.trajectories]
    advantages_P = {p: turn_advantages(group, advantage) for p, group in filled}
    constant = frozenset(
        p for p, advantages_G in advantages_P.items() if not any(a_K.any() for a_K in advantages_G)
    )
    sequences = [s for p, group in filled for s in _group_sequences(p, group, advantages_P[p])]
    if not sequences:
        failures = [failure.problem for group in groups_P for failure in group.failures]
        first = f"; the first of {len(failures)} failures: {failures[0]}" if failures else ""
        raise AllEpisodesFailedError(
            f"no token was sampled in a batch of {len(groups_P)} groups{first}"
        )
    different, equal = _by_difference(sequences, constant)
    if remove_constant:
        equal = equal[: max(at_least - len(different), 0)]
    return TrainingBatch(
        sequences=(*different, *equal),
        constant=constant,
        empty_groups=len(groups_P) - len(filled),
    )


def split_evenly(
    sequences: Sequence[TrainingSequence], constant: frozenset[int], parts: int
) -> list[list[TrainingSequence]]:
    """Divide the sequences into parts whose sizes differ by at most one.

    Each part has its share of the groups with a difference in reward, so that no optimizer step is
    left without a gradient. Raises AllEpisodesFailedError for fewer sequences than parts.
    """
    if len(sequences) < parts:
        raise AllEpisodesFailedError(
            f"{len(sequences)} sequences cannot be divided into {parts} optimizer steps"
        )
    placed = [
        ((i + 0.5) / len(half), sequence)
        for half in _by_difference(sequences, constant)
        for i, sequence in enumerate(half)
    ]
    spread = [sequence for _, sequence in sorted(placed, key=lambda each: each[0])]
    return split_list(spread, parts)


def _by_difference(
    sequences: Sequence[TrainingSequence], constant: frozenset[int]
) -> tuple[list[TrainingSequence], list[TrainingSequence]]:
    """The sequences of groups with a difference in reward, and the others."""
    different = [s for s in sequences if s.group not in constant]
    return different, [s for s in sequences if s.group in constant]


def _group_sequences(
    p: int, group: TrajectoryGroup, advantages_G: Sequence[Array]
) -> list[TrainingSequence]:
    return [
        evolve(sequence, group=p, episode=g, sampler_step=group.sampler_step)
        for g, (trajectory, advantages_K) in enumerate(
            zip(group.trajectories, advantages_G, strict=True)
        )
        for sequence in training_sequences(trajectory, advantages_K)
    ]
