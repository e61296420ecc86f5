"""Rollout metrics: rewards, turns, tokens and stop reasons of the groups of a batch.

train/reward                       mean total reward of an episode
env/<tag>/reward                   the same for the groups with that tag; every group has `all`
env/<tag>/reward_std               standard deviation over episodes; `reward_group_std`: in groups
env/<tag>/reward_p10, _p50, _p90   quantiles over episodes
env/<tag>/episodes, groups         number of episodes and groups
env/<tag>/turns                    turns of the model per episode
env/<tag>/sampled_tokens           sampled tokens per turn; `prompt_tokens` is the length of prompts
env/<tag>/stop/<reason>            fraction of episodes with that stop reason
env/<tag>/groups/mixed             fraction of groups with a difference in reward; `all_good` and
                                   `all_bad`: equal rewards, at least 0.5 or below
env/<tag>/<name>                   mean of an environment's metric over the episodes that have it;
                                   `<name>/episodes` is their number if it is not all. The names
                                   above are reserved
rollouts/dropped_episodes          episodes dropped by the failed-episode policy; `dropped_groups`
                                   lost every episode
rollouts/retries                   repeated attempts
time/environments                  seconds in which environments blocked the event loop and with it
                                   all episodes; `in_threads` is the remedy
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from tinker_rl.stop_reason import stop_name
from tinker_rl.trajectory import ALL, Trajectory, TrajectoryGroup
from tinker_rl.update.advantages import is_constant
from tinker_train import Metrics, merge_metrics

_GOOD = 0.5


def rollout_metrics(groups_P: Sequence[TrajectoryGroup]) -> dict[str, float]:
    """The metrics of a batch. Without an episode there are counts alone.

    Raises ConfigError for an environment's metric that has the name of another metric.
    """
    metrics: dict[str, float] = {
        "rollouts/dropped_episodes": sum(
            len(group.failures) for group in groups_P if group.trajectories
        ),
        "rollouts/dropped_groups": sum(1 for group in groups_P if not group.trajectories),
        "rollouts/retries": sum(group.retries for group in groups_P),
        "time/environments": sum(
            episode.environment_seconds for group in groups_P for episode in group.trajectories
        ),
    }
    by_tag: dict[str, list[TrajectoryGroup]] = defaultdict(list)
    for group in groups_P:
        if group.trajectories:
            for tag in {ALL, *group.tags}:
                by_tag[tag].append(group)
    for tag, groups in sorted(by_tag.items()):
        found = merge_metrics(
            f"metrics of environments with the tag {tag!r}",
            _of_groups(groups),
            *_of_environments(groups),
        )
        metrics = merge_metrics(
            "tags of environments",
            metrics,
            {f"env/{tag}/{name}": value for name, value in found.items()},
        )
    if ALL in by_tag:
        metrics["train/reward"] = metrics[f"env/{ALL}/reward"]
    return metrics


def _of_groups(groups: Sequence[TrajectoryGroup]) -> dict[str, float]:
    episodes = [episode for group in groups for episode in group.trajectories]
    rewards = np.concatenate([group.rewards for group in groups])
    turns = [turn for episode in episodes for turn in episode.transitions]
    constant = [group for group in groups if is_constant(group)]
    good = sum(1 for group in constant if group.rewards[0] >= _GOOD)
    stops = [stop_name(episode.stop) for episode in episodes]
    return {
        "reward": float(rewards.mean()),
        **{f"reward_p{p}": float(np.percentile(rewards, p)) for p in (10, 50, 90)},
        "reward_std": float(rewards.std()),
        "reward_group_std": _mean(float(group.rewards.std()) for group in groups),
        "episodes": len(episodes),
        "groups": len(groups),
        "turns": len(turns) / len(episodes),
        "sampled_tokens": _mean(len(turn.action) for turn in turns),
        "prompt_tokens": _mean(turn.prompt.length for turn in turns),
        "groups/mixed": 1 - len(constant) / len(groups),
        "groups/all_good": good / len(groups),
        "groups/all_bad": (len(constant) - good) / len(groups),
        **{f"stop/{name}": stops.count(name) / len(stops) for name in sorted(set(stops))},
    }


def _of_environments(groups: Sequence[TrajectoryGroup]) -> tuple[Metrics, Metrics]:
    """The means of the environments' metrics; the counts of episodes of those that some lack."""
    episodes = sum(len(group.trajectories) for group in groups)
    columns: dict[str, list[float]] = defaultdict(list)
    for group in groups:
        for episode, more in zip(group.trajectories, group.group_metrics, strict=True):
            for name, value in _episode_metrics(episode, more).items():
                columns[name].append(value)
    means = {name: _mean(values) for name, values in sorted(columns.items())}
    counts = {
        f"{name}/episodes": len(values)
        for name, values in sorted(columns.items())
        if len(values) < episodes
    }
    return means, counts


def _episode_metrics(episode: Trajectory, more: Metrics) -> dict[str, float]:
    """The metrics of an episode: means over its turns or its metric at the end, and its group's."""
    columns: dict[str, list[float]] = defaultdict(list)
    for turn in episode.transitions:
        for name, value in turn.metrics.items():
            columns[name].append(float(value))
    means = {name: _mean(values) for name, values in columns.items()}
    return merge_metrics("an episode and its group", {**means, **episode.metrics}, more)


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed) if listed else 0.0
