"""The policy update of a batch: groups to training sequences to gradients to optimizer steps.

The groups of a batch arrive all at once, or in parts while others are still sampled. Gradients are
submitted as groups arrive: a part is one micro-batch of an optimizer step, or a whole batch is
divided into its optimizer steps. Nothing here waits for the engine, except for logprobs that the
advantages need. Sequences and datums are built in threads, beside the event loop.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tinker
from attrs import define, evolve, field, frozen

from tinker_rl.errors import AllEpisodesFailedError
from tinker_rl.trajectory import TrajectoryGroup
from tinker_rl.update.advantage_transform import AdvantageTransform, Transformed
from tinker_rl.update.kl import estimate_entropy, estimate_kl
from tinker_rl.update.losses.custom import CustomLoss
from tinker_rl.update.training_batch import split_evenly, training_batch
from tinker_rl.update.training_datums import custom_loss_datums, forward_datums, loss_datums
from tinker_rl.update.training_sequence import (
    Floats,
    TrainingSequence,
    num_tokens,
    sampled_tokens,
    with_logprobs,
)
from tinker_rl.update.update_config import UpdateConfig
from tinker_rl.user_code import in_thread
from tinker_train import Metrics, engine_errors, merge_metrics


@frozen(kw_only=True)
class MicroBatch:
    """Sequences whose gradient was submitted."""

    sequences: Sequence[TrainingSequence]
    outputs: tinker.APIFuture[tinker.ForwardBackwardOutput]


@frozen(kw_only=True)
class OptimizerStep:
    """An optimizer step that was submitted, and the micro-batches of its gradient."""

    number: int
    """Counts from 1 over the whole run."""
    micro_batches: Sequence[MicroBatch]
    response: tinker.APIFuture[tinker.OptimStepResponse]


@frozen(kw_only=True)
class UpdateResult:
    """The engine's results of a batch."""

    metrics: Metrics
    sequences: Sequence[TrainingSequence]
    logprobs: Sequence[Floats]
    """Logprobs of each sequence's sampled tokens under the trained model, before the step."""


@define(kw_only=True)
class PolicyUpdate:
    """The optimizer steps of one batch, submitted as its groups arrive."""

    training: tinker.TrainingClient
    config: UpdateConfig
    adam_params: Sequence[tinker.AdamParams]
    """Settings of each optimizer step."""
    steps_before: int = 0
    """Optimizer steps before this batch."""
    transforms: Sequence[AdvantageTransform] = ()
    parts: int = 1
    """Parts in which the groups arrive: 1, or a multiple of the number of optimizer steps."""
    groups: list[TrajectoryGroup] = field(factory=list)
    steps: list[OptimizerStep] = field(factory=list)
    _metrics: list[Metrics] = field(factory=list)
    _micro_batches: list[MicroBatch] = field(factory=list)
    _count: int = 0

    async def add(self, groups_P: Sequence[TrajectoryGroup]) -> None:
        """Submit the gradient of one part, and each optimizer step whose gradient is complete.

        Raises AllEpisodesFailedError for an optimizer step without a sampled token.
        """
        micro_batches = max(self.parts // len(self.adam_params), 1)  # of one optimizer step
        for sequences in await self._sequences(groups_P):
            if sequences:
                weight = 1.0 / micro_batches
                self._micro_batches.append(await self._forward_backward(sequences, weight))
            self._count += 1
            if self._count % micro_batches == 0:
                self._optimizer_step()

    @property
    def num_tokens(self) -> int:
        """Tokens sent to training."""
        return sum(num_tokens(m.sequences) for step in self.steps for m in step.micro_batches)

    @property
    def metrics(self) -> Metrics:
        """Metrics of the advantages: counts are sums over the parts, others are means."""
        names = dict.fromkeys(name for part in self._metrics for name in part)
        columns = {name: [part[name] for part in self._metrics if name in part] for name in names}
        return {
            name: sum(values) / (1 if name.startswith("batch/") else len(values))
            for name, values in columns.items()
        }

    async def _sequences(
        self, groups_P: Sequence[TrajectoryGroup]
    ) -> Sequence[Sequence[TrainingSequence]]:
        """The sequences of one part; a whole batch is divided into its optimizer steps."""
        first = len(self.groups)
        self.groups += groups_P
        if self.parts > 1 and not _has_tokens(groups_P):
            return [[]]  # the rollout metrics count the dropped episodes
        steps = max(len(self.adam_params) // self.parts, 1)
        batch = await in_thread(
            training_batch,
            groups_P,
            self.config.advantage,
            remove_constant=self.config.remove_constant_groups,
            at_least=steps,
        )
        metrics = {
            "batch/sequences": float(len(batch.sequences)),
            "batch/constant_groups": float(len(batch.constant)),
        }
        sequences: Sequence[TrainingSequence] = batch.sequences
        for transform in self.transforms:
            sequences, more = await transform(sequences, groups_P)
            metrics = merge_metrics("advantage transforms", metrics, more)
        if self.config.recompute_logprobs:
            sequences, more = await self._recompute_logprobs(sequences)
            metrics |= more
        self._metrics.append(metrics)
        divided = split_evenly(sequences, batch.constant, steps)
        return [[evolve(s, group=first + s.group) for s in part] for part in divided]

    async def _recompute_logprobs(self, sequences: Sequence[TrainingSequence]) -> Transformed:
        new_D = await self._trained_logprobs(sequences)
        sampler_D = [sequence.sampled_logprobs for sequence in sequences]
        metrics = _kl_metrics("kl_sampler_trainer", sampler_D, new_D)
        return [with_logprobs(s, new_S) for s, new_S in zip(sequences, new_D, strict=True)], metrics

    async def _trained_logprobs(self, sequences: Sequence[TrainingSequence]) -> list[Floats]:
        with engine_errors("forward"):
            outputs = await self.training.forward(forward_datums(sequences), "cross_entropy")
        return _sampled_logprobs(sequences, outputs)

    async def _forward_backward(
        self, sequences: Sequence[TrainingSequence], weight: float
    ) -> MicroBatch:
        loss = self.config.loss
        if isinstance(loss, CustomLoss):
            logprobs_D = await self._trained_logprobs(sequences)
            datums = await in_thread(custom_loss_datums, loss, sequences, logprobs_D, weight=weight)
            settings = None
        else:
            datums, settings = await in_thread(loss_datums, loss, sequences, weight=weight)
        outputs = self.training.forward_backward(datums, loss.name, settings)
        return MicroBatch(sequences=sequences, outputs=outputs)

    def _optimizer_step(self) -> None:
        micro_batches, self._micro_batches = self._micro_batches, []
        number = self.steps_before + len(self.steps) + 1
        if not micro_batches:
            raise AllEpisodesFailedError(f"no token was sampled for optimizer step {number}")
        response = self.training.optim_step(self.adam_params[len(self.steps)])
        step = OptimizerStep(number=number, micro_batches=micro_batches, response=response)
        self.steps.append(step)


async def update_result(
    steps: Sequence[OptimizerStep], *, kl_name: str = "kl_sampler_trainer"
) -> UpdateResult:
    """Wait for the results of a batch. Raises EngineError that names the call and the step.

    `kl_name` is the prefix of the KL between the sequences' logprobs and those of the trainer.
    """
    sequences: list[TrainingSequence] = []
    logprobs_D: list[Floats] = []
    responses: list[Metrics] = []
    for step in steps:
        for micro_batch in step.micro_batches:
            with engine_errors(f"forward_backward of step {step.number}"):
                outputs = await micro_batch.outputs
            sequences += micro_batch.sequences
            logprobs_D += _sampled_logprobs(micro_batch.sequences, outputs)
        with engine_errors(f"optim_step of step {step.number}"):
            responses.append((await step.response).metrics or {})
    sampler_D = [sequence.sampled_logprobs for sequence in sequences]
    metrics = {
        "num_tokens": num_tokens(sequences),
        "num_loss_tokens": sampled_tokens(sequences),
        **_kl_metrics(kl_name, sampler_D, logprobs_D),
        "entropy": estimate_entropy(_joined(sampler_D)),
        **_optimizer_metrics(responses),
    }
    return UpdateResult(metrics=metrics, sequences=sequences, logprobs=logprobs_D)


def _optimizer_metrics(responses: Sequence[Metrics]) -> dict[str, float]:
    """The mean over the optimizer steps of a batch, and the values of each if there are several."""
    names = dict.fromkeys(name for response in responses for name in response)
    metrics = {
        f"optim/{name}": float(np.mean([r[name] for r in responses if name in r])) for name in names
    }
    if len(responses) > 1:
        metrics |= {
            f"optim/substep_{i}/{name}": value
            for i, response in enumerate(responses, start=1)
            for name, value in response.items()
        }
    return metrics


def _has_tokens(groups_P: Sequence[TrajectoryGroup]) -> bool:
    return any(
        len(turn.action)
        for group in groups_P
        for trajectory in group.trajectories
        for turn in trajectory.transitions
    )


def _kl_metrics(name: str, q_D: Sequence[Floats], p_D: Sequence[Floats]) -> dict[str, float]:
    kl = estimate_kl(_joined(q_D), _joined(p_D))
    return {f"{name}/k1": kl.k1, f"{name}/k2": kl.k2, f"{name}/k3": kl.k3}


def _joined(arrays: Sequence[Floats]) -> Floats:
    return np.concatenate(arrays) if arrays else np.zeros(0)


def _sampled_logprobs(
    sequences: Sequence[TrainingSequence], outputs: tinker.ForwardBackwardOutput
) -> list[Floats]:
    """The logprobs of the sampled tokens; row i of an output is about token i + 1."""
    return [
        np.asarray(output["logprobs"].to_numpy(), dtype=np.float64)[sequence.sampled[1:]]
        for sequence, output in zip(sequences, outputs.loss_fn_outputs, strict=True)
    ]
