"""Evaluation during training: episodes of the test set, and evaluators that sample."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve, frozen

from tinker_rl.completers import EngineTokenCompleter
from tinker_rl.config import Config
from tinker_rl.data.dataset import RLDataset
from tinker_rl.loop.group_source import TESTING
from tinker_rl.loop.record import record_rewards
from tinker_rl.loop.snapshot import Snapshot
from tinker_rl.reporting.rollout_metrics import rollout_metrics
from tinker_rl.reporting.transcripts import Transcripts
from tinker_rl.rollout.group import run_groups
from tinker_train import (
    LoopState,
    Metrics,
    PendingMetrics,
    SamplingClientEvaluator,
    run_evaluators,
)


@frozen(kw_only=True)
class Evaluations:
    """The evaluations at a step boundary."""

    config: Config
    evaluators: Sequence[SamplingClientEvaluator]
    test: RLDataset | None
    transcripts: Transcripts

    def due(self, loop: LoopState) -> bool:
        """True if there is something to evaluate at this step boundary."""
        return bool(self.evaluators or self.test is not None) and loop.evaluation_due()

    def of(self, snapshot: Snapshot) -> list[PendingMetrics]:
        """The evaluations of a snapshot. They run while training goes on."""
        pending: list[PendingMetrics] = []
        if self.evaluators:
            pending.append(run_evaluators(snapshot.sampler, self.evaluators))
        if self.test is not None:
            pending.append(run_test_set(self.config, self.test, snapshot, self.transcripts))
        return pending


async def run_test_set(
    config: Config, test: RLDataset, snapshot: Snapshot, transcripts: Transcripts
) -> Metrics:
    """The rollout metrics of all groups of the test set, as `test/reward`, `test/env/...`."""
    sampling = evolve(config.sampling, temperature=config.evaluation.temperature)
    policy = EngineTokenCompleter(snapshot.sampler, sampling)
    builders_P = [builder for i in range(len(test)) for builder in test.get_batch(i)]
    place = (config.seed, TESTING, snapshot.step)
    groups_P = await run_groups(policy, builders_P, config.rollouts, place)
    await transcripts.write("test", snapshot.step, groups_P)
    record_rewards(transcripts, "test/reward", snapshot.step, groups_P)
    metrics = rollout_metrics(groups_P)
    return {f"test/{name.removeprefix('train/')}": value for name, value in metrics.items()}
