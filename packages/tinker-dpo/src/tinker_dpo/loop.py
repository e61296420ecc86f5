"""The preference loop.

Each step is a forward pass, whose log-probabilities give the loss and its gradient on the client;
then one `forward_backward` with cross-entropy, whose weights are that gradient, and one
`optim_step`. Unlike in the usual trainer, the log-probabilities of the reference are computed
before the first step, so one model is enough.

The forward pass of step n + 1 is submitted right behind step n, so the engine never waits for the
client. An evaluation or a save between the two sees exactly n steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import tinker
from attrs import asdict, frozen
from tinker import types

from tinker_core import DataError, Fingerprint
from tinker_data import BatchOrder, Position
from tinker_dpo.config import Config
from tinker_dpo.custom_loss import References, datums_of, surrogate
from tinker_dpo.data.batches import PreferenceBatch, iterate_batches
from tinker_dpo.data.dataset import PreferenceDataset
from tinker_dpo.data.rendering import RenderedPreference
from tinker_dpo.evaluation import evaluate_items
from tinker_dpo.metrics import num_tokens, step_metrics
from tinker_train import (
    PendingMetrics,
    Run,
    SamplingClientEvaluator,
    TrainResult,
    engine_errors,
    evaluate_snapshot,
    loop_state,
    scope,
    submit_step,
    timed,
)


@frozen(kw_only=True, eq=False)
class LoopData:
    """The data of a preference loop, rendered."""

    train: PreferenceDataset
    order: BatchOrder
    """Of the batches of `train`."""
    test: Sequence[RenderedPreference] = ()
    skipped: Sequence[DataError] = ()
    """The errors of the rows of both that are left out."""
    references: References | None = None
    """Of every response of both; None for an objective without a reference."""
    stop: list[int] | list[str] | None = None
    """Stop sequences of a sampled response."""
    fingerprints: tuple[Fingerprint, ...] = ()
    """Fingerprints of the sources, by which a resumed run notices changes."""


async def preference_loop(
    config: Config,
    training: tinker.TrainingClient,
    data: LoopData,
    run: Run,
    evaluators: Sequence[SamplingClientEvaluator] = (),
) -> TrainResult:
    """Train to the end of the epochs or `max_steps`, until early stopping or a request to stop.

    `training` holds a new model, or that of the checkpoint `run.resumed`. Raises EngineError for a
    call that failed, and ConfigError for a schedule that does not fit the run.
    """
    async with loop_state(run, training, config, total_steps=run_length(config, data)) as loop:
        if loop.evaluation_due():
            loop.record(*_evaluate(config, training, data, evaluators))
            await loop.stop_early()
        for batch, forward in loop.until_end(_batches(training, data, loop.position)):
            with engine_errors(f"forward of step {loop.step + 1}"), scope("wait"):
                outputs = await forward
            with timed("loss", loop.extra_metrics), scope("loss"):
                loss = surrogate(config.objective, batch.items, outputs, data.references)
            step = submit_step(training, loss.datums, loop.adam_params())
            metrics = step_metrics(step, batch, loss.value, number=loop.step + 1)
            if data.skipped:
                loop.extra_metrics["num_skipped_rows"] = len(data.skipped)
            loop.advance(metrics, tokens=num_tokens(batch.items), position=asdict(batch.after))
            if loop.evaluation_due():
                loop.record(*_evaluate(config, training, data, evaluators))
                await loop.stop_early()
            if loop.checkpoint_due():
                loop.save()
            await loop.wait_for_room(1)
    return loop.result()


def run_length(config: Config, data: LoopData) -> int:
    """Optimizer steps in the whole run."""
    steps = data.order.steps_per_epoch * config.num_epochs
    return steps if config.max_steps is None else min(steps, config.max_steps)


def _batches(
    training: tinker.TrainingClient, data: LoopData, position: Mapping[str, int]
) -> Iterator[tuple[PreferenceBatch, tinker.APIFuture[types.ForwardBackwardOutput]]]:
    """Each batch with its forward pass, submitted when the batch is asked for."""
    for batch in iterate_batches(data.train, data.order, Position(**position)):
        yield batch, training.forward(datums_of(batch.items), "cross_entropy")


def _evaluate(
    config: Config,
    training: tinker.TrainingClient,
    data: LoopData,
    evaluators: Sequence[SamplingClientEvaluator],
) -> list[PendingMetrics]:
    pending: list[PendingMetrics] = []
    if data.test:
        pending.append(evaluate_items(training, config.objective, data.test, data.references))
    if evaluators:
        pending.append(evaluate_snapshot(training, evaluators))
    return pending
