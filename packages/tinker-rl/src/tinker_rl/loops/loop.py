"""The verbs that the three loops share: what happens between two batches, and how one is sent."""

from __future__ import annotations

from collections.abc import Sequence

import tinker
from attrs import evolve, field, frozen

from tinker_rl.completers import EngineTokenCompleter
from tinker_rl.config import Config
from tinker_rl.data.dataset import RLData, RLDataset
from tinker_rl.reporting.rollout_metrics import rollout_metrics
from tinker_rl.reporting.transcripts import Decode, Transcripts
from tinker_rl.rollout.group import run_groups
from tinker_rl.trajectory import Metrics, TrajectoryGroup
from tinker_rl.update.optimizer_step import Shaper, Substep, batch_result, num_tokens
from tinker_train import (
    Coming,
    Moment,
    Run,
    RunDirectory,
    SamplingClientEvaluator,
    adam_params,
    engine_errors,
    evaluation_is_due,
    lr_multiplier,
    run_evaluators,
)
from tinker_train.metrics.distributions import append_distribution

TRAINING, TESTING = 0, 1  # told apart in the places that seed the samples


@frozen(kw_only=True)
class Clients:
    """What a loop works with on the engine's side."""

    training: tinker.TrainingClient
    shapers: Sequence[Shaper] = ()
    """Change the advantages of a batch, one after the other."""
    evaluators: Sequence[SamplingClientEvaluator] = ()
    """Asked whenever the test set is played."""
    decode: Decode | None = None
    """Token ids to text, for transcripts."""


@frozen(kw_only=True)
class Batch:
    """A batch on its way through the engine."""

    groups: Sequence[TrajectoryGroup]
    substeps: Sequence[Substep]
    known: Metrics = field(factory=dict)
    """Metrics that need no answer."""

    @property
    def num_tokens(self) -> int:
        """Rows of all datums."""
        return sum(num_tokens(piece.ledgers) for step in self.substeps for piece in step.pieces)


def transcripts_of(config: Config, clients: Clients, run: Run) -> Transcripts:
    """Where the transcripts of the run go."""
    return Transcripts(run_dir=run.directory.path, groups=config.transcripts, decode=clients.decode)


async def batch_metrics(batch: Batch, transcripts: Transcripts) -> dict[str, float]:
    """All metrics of a batch, once it has come back; raises EngineError if it failed.

    Its transcripts are written too.
    """
    trained = await batch_result(batch.substeps)
    begun = batch.substeps[0].number - 1
    transcripts.write("train", begun, batch.groups, trained)
    _keep_rewards(transcripts, "train/reward", batch.substeps[-1].number, batch.groups)
    ages = [begun - group.sampler_step for group in batch.groups]
    return {
        **rollout_metrics(batch.groups),
        **trained.metrics,
        "staleness/mean": sum(ages) / len(ages),
        "staleness/max": max(ages),
        **batch.known,
    }


def _keep_rewards(
    transcripts: Transcripts, name: str, step: int, groups_P: Sequence[TrajectoryGroup]
) -> None:
    """For the report's histograms: the rewards whose mean the metric of that name is."""
    file = RunDirectory(transcripts.run_dir).distributions_file
    rewards = [float(reward) for group in groups_P for reward in group.rewards]
    append_distribution(file, step, name, rewards)


def optimizer_settings(config: Config, done: int, total_steps: int) -> list[tinker.AdamParams]:
    """The optimizer's settings for each substep of the batch after `done` optimizer steps."""
    return [
        adam_params(config.adam, lr_multiplier(config.schedule, done + i, total_steps))
        for i in range(config.learning.num_substeps)
    ]


async def newest_sampler(training: tinker.TrainingClient) -> tinker.SamplingClient:
    """A sampler of the model as the calls submitted so far leave it."""
    with engine_errors("save_weights_and_get_sampling_client"):
        client: tinker.SamplingClient = await training.save_weights_and_get_sampling_client()
    return client


def measure_if_due(
    config: Config,
    clients: Clients,
    data: RLData,
    moment: Moment,
    sampler: tinker.SamplingClient,
    transcripts: Transcripts,
) -> list[Coming]:
    """What is to be measured at this moment, by its sampler, beside training."""
    if not evaluation_is_due(config.evaluation, moment):
        return []
    measured: list[Coming] = []
    if clients.evaluators:
        measured.append(run_evaluators(sampler, clients.evaluators))
    if data.test is not None:
        measured.append(play_test_set(config, data.test, sampler, moment.now.step, transcripts))
    return measured


async def play_test_set(
    config: Config,
    test: RLDataset,
    sampler: tinker.SamplingClient,
    step: int,
    transcripts: Transcripts,
) -> dict[str, float]:
    """The rollout metrics of all groups of a data set, under `test/`; `test/reward` first."""
    sampling = evolve(config.sampling, temperature=config.evaluation.temperature)
    policy = EngineTokenCompleter(sampler, sampling)
    builders_P = [builder for i in range(len(test)) for builder in test.get_batch(i)]
    place = (config.seed, TESTING, step)
    groups_P = await run_groups(policy, builders_P, config.rollouts, place)
    transcripts.write("test", step, groups_P)
    _keep_rewards(transcripts, "test/reward", step, groups_P)
    metrics = rollout_metrics(groups_P)
    return {f"test/{name.removeprefix('train/')}": value for name, value in metrics.items()}
