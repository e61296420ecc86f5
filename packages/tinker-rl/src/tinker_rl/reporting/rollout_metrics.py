"""What is measured on a batch of groups.

train/reward                       mean total reward of an episode
env/<tag>/reward                   the same for the groups with that tag; `all` has every group
env/<tag>/reward_std               spread over episodes; `reward_group_std` is within groups
env/<tag>/reward_p10, _p50, _p90   quantiles over episodes
env/<tag>/episodes, groups         how many there are
env/<tag>/turns                    turns of the model per episode
env/<tag>/sampled_tokens           tokens of the model per turn; `prompt_tokens` those it saw
env/<tag>/stop/<reason>            share of episodes that ended so
env/<tag>/groups/mixed             share of groups whose attempts earned different rewards;
                                   `all_good`, `all_bad`: equal rewards, at least 0.5 or less
env/<tag>/<name>                   mean of what environments measure, over episodes that have it;
                                   where these are not all, `<name>/episodes` says how many
rollouts/dropped_episodes          lost to broken environments; `dropped_groups` lost every episode
rollouts/retries                   made again
time/environments                  seconds that environments kept the event loop to themselves, all
                                   episodes waiting; see `in_threads` where it is large
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from tinker_rl.stop_reason import stop_name
from tinker_rl.trajectory import ALL, Trajectory, TrajectoryGroup
from tinker_rl.update.training_batch import is_constant
from tinker_train import Metrics

_GOOD = 0.5


def rollout_metrics(groups_P: Sequence[TrajectoryGroup]) -> dict[str, float]:
    """The metrics of a batch, tag by tag; what has no episode has no metric but the counts."""
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
        metrics |= {f"env/{tag}/{name}": value for name, value in _of_groups(groups).items()}
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
        "sampled_tokens": _mean(len(turn.action.tokens) for turn in turns),
        "prompt_tokens": _mean(turn.observation.length for turn in turns),
        "groups/mixed": 1 - len(constant) / len(groups),
        "groups/all_good": good / len(groups),
        "groups/all_bad": (len(constant) - good) / len(groups),
        **{f"stop/{name}": stops.count(name) / len(stops) for name in sorted(set(stops))},
        **_of_environments(groups, len(episodes)),
    }


def _of_environments(groups: Sequence[TrajectoryGroup], episodes: int) -> dict[str, float]:
    columns: dict[str, list[float]] = defaultdict(list)
    for group in groups:
        for episode, more in zip(group.trajectories, group.group_metrics, strict=True):
            for name, value in _episode_metrics(episode, more).items():
                columns[name].append(value)
    metrics: dict[str, float] = {}
    for name, values in sorted(columns.items()):
        metrics[name] = _mean(values)
        if len(values) < episodes:
            metrics[f"{name}/episodes"] = len(values)
    return metrics


def _episode_metrics(episode: Trajectory, more: Metrics) -> dict[str, float]:
    """The mean over its turns of what they measure, and what was measured at its end."""
    columns: dict[str, list[float]] = defaultdict(list)
    for turn in episode.transitions:
        for name, value in turn.metrics.items():
            columns[name].append(float(value))
    return {
        **{name: _mean(values) for name, values in columns.items()},
        **episode.metrics,
        **more,
    }


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed) if listed else 0.0
