"""The reinforcement-learning loop.

    snapshot -> groups of episodes -> advantages -> forward_backward, optim_step -> next snapshot

Policy gradient with the group as its baseline (GRPO without the division by the standard deviation,
see `update.advantages`). The mode of the config decides which groups a batch has: all groups of the
newest weights (synchronous, streaming), or groups within a bound on their age (asynchronous).
"""

from __future__ import annotations

from collections.abc import Sequence

import tinker
from attrs import frozen

from tinker_rl.config import Config, num_batches
from tinker_rl.data.dataset import RLData
from tinker_rl.loop.evaluation import Evaluations
from tinker_rl.loop.open_group_source import open_group_source
from tinker_rl.loop.record import record_batch
from tinker_rl.loop.snapshot import Snapshots
from tinker_rl.reporting.transcripts import Decode, Transcripts
from tinker_rl.update.advantage_transform import AdvantageTransform
from tinker_rl.update.policy_update import PolicyUpdate
from tinker_train import Run, SamplingClientEvaluator, TrainResult, loop_state, timed


@frozen(kw_only=True)
class Clients:
    """The engine's side of a loop."""

    training: tinker.TrainingClient
    """A new model, or that of the checkpoint `run.resumed`."""
    transforms: Sequence[AdvantageTransform] = ()
    """Applied to the advantages of each batch, in order."""
    evaluators: Sequence[SamplingClientEvaluator] = ()
    """Run beside the test set."""
    decode: Decode | None = None
    """Token ids to text, for transcripts."""


async def rl_loop(config: Config, clients: Clients, data: RLData, run: Run) -> TrainResult:
    """Train to the end of the epochs or `max_steps`, until early stopping or a request to stop.

    Raises EngineError for a call that failed, EnvironmentFailure by the failed-episode policy, and
    AllEpisodesFailedError for an optimizer step without a sampled token.
    """
    substeps = config.update.num_substeps
    batches = num_batches(config, data.train)
    transcripts = Transcripts.of_run(run, groups=config.transcripts, decode=clients.decode)
    evaluations = Evaluations(
        config=config, evaluators=clients.evaluators, test=data.test, transcripts=transcripts
    )
    snapshots = Snapshots(clients.training)
    if config.sampling.changes:
        run.console.say(
            f"sampling with {config.sampling.changes}: the losses use logprobs of temperature 1 "
            "without top-p and top-k, so the gradient is biased"
        )
    async with (
        loop_state(run, clients.training, config, total_steps=batches * substeps) as loop,
        open_group_source(config, data.train, loop.position) as source,
    ):
        if evaluations.due(loop):
            loop.record(*evaluations.of(await snapshots.newest(loop)))
            await loop.stop_early()
        for index in loop.until_end(range(loop.position.get("batch", 0), batches)):
            update = PolicyUpdate(
                training=clients.training,
                config=config.update,
                adam_params=[loop.adam_params(ahead) for ahead in range(substeps)],
                steps_before=loop.step,
                transforms=clients.transforms,
                parts=source.parts,
            )
            with timed("batch", loop.extra_metrics):
                async for groups_P in source.batch(index, await snapshots.newest(loop)):
                    await update.add(groups_P)
            loop.extra_metrics["epoch"] = index // len(data.train)
            loop.advance(
                record_batch(update, transcripts),
                tokens=update.num_tokens,
                position={"batch": index + 1, **source.position},
                steps=substeps,
            )
            if evaluations.due(loop):
                loop.record(*evaluations.of(await snapshots.newest(loop)))
                await loop.stop_early()
            if loop.checkpoint_due():
                loop.save()
            await loop.wait_for_room(1)
    return loop.result()
