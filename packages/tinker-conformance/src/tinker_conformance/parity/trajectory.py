"""A short training run on one server, and the numbers that it returned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from tinker import types

from tinker_conformance.client.batch import Batch, Datum, make_datum
from tinker_conformance.client.server import Server
from tinker_conformance.client.trainer import ALL_LOGPROBS, LOGPROBS, LOSS, Trainer
from tinker_conformance.experiment.sequences import tokens
from tinker_conformance.parity.plan import Plan


@frozen(eq=False)
class Step:
    """The numbers that a server returned in one step."""

    loss: float
    """`loss:sum`."""
    logprobs: NDArray[np.float64]
    """Of the step's targets, before the step."""
    gradient_norm: float | None
    """None where the server reports none."""


@frozen(eq=False)
class Trajectory:
    """A run on one server."""

    steps: tuple[Step, ...]
    sampler_difference: float
    """Largest difference of the logprobs of the last sequence, sampler against trainer."""


def sequences(plan: Plan, text: Sequence[int] | None) -> list[list[int]]:
    """Token sequences, one after the other for all steps: from a text, or pseudo-random."""
    count = plan.steps * plan.batch
    if text is None:
        return [tokens(plan.length + 1, [plan.seed, index]) for index in range(count)]
    needed = plan.length + 1
    stream = np.resize(np.asarray(text), count * needed).reshape(count, needed)
    made: list[list[int]] = stream.tolist()
    return made


def tokens_of(path: Path, tokenizer: Any) -> list[int]:
    """The tokens of a text file."""
    encoded: list[int] = tokenizer.encode(path.read_text(), add_special_tokens=False)
    if len(encoded) < 2:
        raise ValueError(f"{path} holds {len(encoded)} tokens, which is too little text")
    return encoded


def batches(plan: Plan, data: Sequence[Sequence[int]], reference: Trainer) -> list[Batch]:
    """The datums of each step; policy losses take the logprobs of the reference's new model."""
    plain = [
        make_datum(each[:-1], target_tokens=each[1:], weights=np.ones(plan.length)) for each in data
    ]
    grouped = [
        tuple(plain[start : start + plan.batch]) for start in range(0, len(plain), plan.batch)
    ]
    if plan.loss == "cross_entropy":
        return grouped
    return [_as_policy(batch, reference) for batch in grouped]


def _as_policy(batch: Batch, reference: Trainer) -> Batch:
    """The same tokens as samples of the reference model, every second one with a bad reward."""
    reply = reference.forward(batch).result()
    rows: list[Datum] = []
    for index, datum in enumerate(batch):
        logprobs = reply.show(LOGPROBS.format(index=index)).array
        advantages = np.full(len(logprobs), 1.0 if index % 2 == 0 else -1.0)
        rows.append(datum.replace(weights=None, logprobs=logprobs, advantages=advantages))
    return tuple(rows)


def run(server: Server, plan: Plan, data: Sequence[Batch], seed: int) -> Trajectory:
    """Train on the batches in order."""
    trainer = server.trainer(rank=plan.rank, seed=seed)
    params = types.AdamParams(learning_rate=plan.learning_rate)
    steps = []
    for batch in data:
        reply = trainer.forward_backward(batch, plan.loss).result()
        metrics = trainer.step(params).result().value.metrics or {}
        norms = [value for name, value in metrics.items() if name.startswith("grad_norm")]
        steps.append(
            Step(
                loss=float(reply.show(LOSS).array),
                logprobs=reply.show(ALL_LOGPROBS).array,
                gradient_norm=float(norms[0]) if norms else None,
            )
        )
    last = data[-1][-1]
    sequence = [*last.tokens, int(last.column("target_tokens")[-1])]
    sampled = server.snapshot(trainer).compute_logprobs(sequence).array[1:]
    plain = make_datum(last.tokens, target_tokens=last.column("target_tokens"))
    computed = trainer.logprobs((plain.replace(weights=np.zeros(plan.length)),)).array
    return Trajectory(tuple(steps), float(np.abs(sampled - computed).max()))
