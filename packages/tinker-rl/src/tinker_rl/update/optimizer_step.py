"""How a batch becomes optimizer steps: its settings, and the verbs that every loop uses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import numpy as np
import tinker
from attrs import field, frozen, validators

from tinker_rl.trajectory import Metrics, TrajectoryGroup
from tinker_rl.update.advantages import Advantage
from tinker_rl.update.kl import estimate_entropy, estimate_kl
from tinker_rl.update.losses import Loss, loss_datums, loss_settings
from tinker_rl.update.training_batch import split_evenly, training_batch
from tinker_rl.update.training_sequence import Floats, TokenLedger, sampled_tokens, with_logprobs
from tinker_train import engine_errors

Shaped = tuple[Sequence[TokenLedger], Metrics]
Shaper = Callable[[Sequence[TokenLedger], Sequence[TrajectoryGroup]], Awaitable[Shaped]]
"""Changes the advantages of a batch token by token, and says what it measured: a KL penalty, a
teacher. It is given the batch's sequences, and the groups that `TokenLedger.group` counts."""


@frozen(kw_only=True)
class Learning:
    """How a batch becomes optimizer steps."""

    advantage: Advantage = field(factory=Advantage)
    loss: Loss = field(factory=Loss)
    remove_constant_groups: bool = False
    """Leave out groups in which all attempts earned the same; they are counted either way."""
    num_substeps: int = field(default=1, validator=validators.ge(1))
    """Optimizer steps that a batch is divided into; with more than one, use a loss that clips."""
    recompute_logprobs: bool = False
    """Take the logprobs of the model in training in the place of the sampler's, by one more forward
    pass: for an engine whose sampler and trainer do not agree."""


@frozen(kw_only=True)
class Prepared:
    """A batch that is ready for the engine."""

    ledgers: Sequence[TokenLedger]
    metrics: Metrics


@frozen(kw_only=True)
class Piece:
    """Sequences whose gradient is on its way."""

    ledgers: Sequence[TokenLedger]
    outputs: tinker.APIFuture[tinker.ForwardBackwardOutput]


@frozen(kw_only=True)
class Substep:
    """One optimizer step on its way, and the pieces of its gradient."""

    number: int
    """Counts from 1 over the whole run."""
    pieces: Sequence[Piece]
    optim: tinker.APIFuture[tinker.OptimStepResponse]


async def prepare(
    groups_P: Sequence[TrajectoryGroup],
    learning: Learning,
    training: tinker.TrainingClient,
    shapers: Sequence[Shaper] = (),
) -> Prepared:
    """Advantages, sequences, shaping, and new logprobs where they are wanted.

    Raises AllEpisodesFailedError where there is nothing to train on.
    """
    batch = training_batch(
        groups_P,
        learning.advantage,
        remove_constant=learning.remove_constant_groups,
        at_least=learning.num_substeps,
    )
    metrics: dict[str, float] = {
        "batch/sequences": len(batch.ledgers),
        "batch/constant_groups": batch.constant_groups,
    }
    ledgers: Sequence[TokenLedger] = batch.ledgers
    for shape in shapers:
        ledgers, more = await shape(ledgers, groups_P)
        metrics |= more
    if learning.recompute_logprobs:
        ledgers, more = await _recompute(ledgers, learning.loss, training)
        metrics |= more
    return Prepared(ledgers=ledgers, metrics=metrics)


async def _recompute(
    ledgers: Sequence[TokenLedger], loss: Loss, training: tinker.TrainingClient
) -> Shaped:
    datums = loss_datums(loss, ledgers)
    with engine_errors("forward for new logprobs"):
        outputs = await training.forward(datums, loss.name, loss_settings(loss, ledgers))
    new_D = _sampled_outputs(ledgers, outputs)
    metrics = _kl_metrics("kl_sampler_trainer", [x.sampled_logprobs for x in ledgers], new_D)
    return [with_logprobs(x, new_S) for x, new_S in zip(ledgers, new_D, strict=True)], metrics


def submit_piece(
    training: tinker.TrainingClient,
    ledgers: Sequence[TokenLedger],
    loss: Loss,
    *,
    share: float = 1.0,
) -> Piece:
    """Add the gradient of these sequences, normalised over them and weighing `share` of a step."""
    datums = loss_datums(loss, ledgers, share=share)
    settings = loss_settings(loss, ledgers, share=share)
    return Piece(ledgers=ledgers, outputs=training.forward_backward(datums, loss.name, settings))


def submit_batch(
    training: tinker.TrainingClient,
    ledgers: Sequence[TokenLedger],
    loss: Loss,
    optimizer: Sequence[tinker.AdamParams],
    *,
    done: int,
) -> list[Substep]:
    """Send a batch, one optimizer step for each of the `optimizer`'s settings; return at once.

    `done` is the number of optimizer steps before it.
    """
    return [
        Substep(
            number=done + i,
            pieces=[submit_piece(training, part, loss)],
            optim=training.optim_step(adam),
        )
        for i, (part, adam) in enumerate(
            zip(split_evenly(ledgers, len(optimizer)), optimizer, strict=True), start=1
        )
    ]


@frozen(kw_only=True)
class Trained:
    """What came back of a batch."""

    metrics: Metrics
    ledgers: Sequence[TokenLedger]
    logprobs: Sequence[Floats]
    """Of the sampled tokens of each ledger, under the model in training, before its step."""


async def batch_result(substeps: Sequence[Substep]) -> Trained:
    """Wait for all steps of a batch; raises EngineError that names the call and the step."""
    ledgers: list[TokenLedger] = []
    logprobs_D: list[Floats] = []
    optim: dict[str, float] = {}
    for substep in substeps:
        for piece in substep.pieces:
            with engine_errors(f"forward_backward of step {substep.number}"):
                outputs = await piece.outputs
            ledgers += piece.ledgers
            logprobs_D += _sampled_outputs(piece.ledgers, outputs)
        with engine_errors(f"optim_step of step {substep.number}"):
            response = await substep.optim
        optim |= {f"optim/{name}": value for name, value in (response.metrics or {}).items()}
    return Trained(
        metrics={**trained_metrics(ledgers, logprobs_D), **optim},
        ledgers=ledgers,
        logprobs=logprobs_D,
    )


def trained_metrics(
    ledgers: Sequence[TokenLedger], logprobs_D: Sequence[Floats]
) -> dict[str, float]:
    """Sizes, the distance from sampler to trainer, and the entropy of what was sampled."""
    sampler_D = [ledger.sampled_logprobs for ledger in ledgers]
    return {
        "num_tokens": num_tokens(ledgers),
        "num_loss_tokens": sampled_tokens(ledgers),
        **_kl_metrics("kl_sampler_trainer", sampler_D, logprobs_D),
        "entropy": estimate_entropy(_joined(sampler_D)),
    }


def num_tokens(ledgers: Sequence[TokenLedger]) -> int:
    """Rows of all datums: tokens in, of which as many targets."""
    return sum(len(ledger.tokens) - 1 for ledger in ledgers)


def _kl_metrics(name: str, q_D: Sequence[Floats], p_D: Sequence[Floats]) -> dict[str, float]:
    kl = estimate_kl(_joined(q_D), _joined(p_D))
    return {f"{name}/k1": kl.k1, f"{name}/k2": kl.k2, f"{name}/k3": kl.k3}


def _joined(arrays: Sequence[Floats]) -> Floats:
    return np.concatenate(arrays) if arrays else np.zeros(0)


def _sampled_outputs(
    ledgers: Sequence[TokenLedger], outputs: tinker.ForwardBackwardOutput
) -> list[Floats]:
    """The logprobs that came back, of sampled tokens alone; row i of an output is token i + 1."""
    return [
        np.asarray(output["logprobs"].to_numpy(), dtype=np.float64)[ledger.sampled[1:]]
        for ledger, output in zip(ledgers, outputs.loss_fn_outputs, strict=True)
    ]
