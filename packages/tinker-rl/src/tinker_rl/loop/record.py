"""Record the result of a batch: its metrics, its transcripts, the distribution of its rewards."""

from __future__ import annotations

from collections.abc import Sequence

from tinker_rl.reporting.rollout_metrics import rollout_metrics
from tinker_rl.reporting.transcripts import Transcripts
from tinker_rl.trajectory import TrajectoryGroup
from tinker_rl.update.policy_update import PolicyUpdate, update_result
from tinker_train import Metrics, RunDirectory, merge_metrics
from tinker_train.metrics.distributions import append_distribution


async def record_batch(update: PolicyUpdate, transcripts: Transcripts) -> Metrics:
    """All metrics of a batch, when its results have arrived.

    Raises EngineError, and ConfigError for two metrics of one name.
    """
    recomputed = update.config.recompute_logprobs
    old = "kl_recomputed_trainer" if recomputed else "kl_sampler_trainer"
    trained = await update_result(update.steps, kl_name=old)
    await transcripts.write("train", update.steps_before, update.groups, trained)
    record_rewards(transcripts, "train/reward", update.steps[-1].number, update.groups)
    ages = [update.steps_before - group.sampler_step for group in update.groups]
    return merge_metrics(
        f"batch of step {update.steps[-1].number}",
        rollout_metrics(update.groups),
        trained.metrics,
        {"staleness/mean": sum(ages) / len(ages), "staleness/max": max(ages)},
        update.metrics,
    )


def record_rewards(
    transcripts: Transcripts, name: str, step: int, groups_P: Sequence[TrajectoryGroup]
) -> None:
    """Append the rewards of a batch to the distributions, from which the report draws histograms.

    `name` is the metric that is their mean.
    """
    file = RunDirectory(transcripts.run_dir).distributions_file
    rewards = [float(reward) for group in groups_P for reward in group.rewards]
    append_distribution(file, step, name, rewards)
