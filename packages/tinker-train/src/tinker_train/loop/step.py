"""One optimizer step: submitted without waiting, awaited later.

The engine runs the calls of a training client in the order of their submission. A save or a forward
pass that is submitted between two steps sees exactly the steps before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tinker
from attrs import frozen
from numpy.typing import NDArray
from tinker import types

from tinker_core import DataError
from tinker_core.engine.errors import engine_errors


@frozen(kw_only=True)
class SubmittedStep:
    """A forward-backward pass and its optimizer step, both submitted."""

    forward_backward: tinker.APIFuture[types.ForwardBackwardOutput]
    optim: tinker.APIFuture[types.OptimStepResponse]


@frozen(kw_only=True)
class FinishedStep:
    """The results of a forward-backward pass and of its optimizer step."""

    outputs: types.ForwardBackwardOutput
    optim_metrics: Mapping[str, float]


def submit_step(
    training: tinker.TrainingClient,
    datums: Sequence[tinker.Datum],
    adam_params: tinker.AdamParams,
    *,
    loss_fn: types.LossFnType = "cross_entropy",
    loss_fn_config: Mapping[str, float | str] | None = None,
) -> SubmittedStep:
    """Submit both calls of a step and return at once."""
    config = None if loss_fn_config is None else dict(loss_fn_config)
    return SubmittedStep(
        forward_backward=training.forward_backward(list(datums), loss_fn, config),
        optim=training.optim_step(adam_params),
    )


async def finish_step(step: SubmittedStep, *, number: int) -> FinishedStep:
    """Wait for a step; raises EngineError with the call and the number of the step."""
    with engine_errors(f"forward_backward of step {number}"):
        outputs = await step.forward_backward
    with engine_errors(f"optim_step of step {number}"):
        response = await step.optim
    return FinishedStep(outputs=outputs, optim_metrics=response.metrics or {})


@frozen(kw_only=True)
class Nll:
    """Weighted negative log-likelihood summed over tokens, and the sum of the weights."""

    total: float
    """In nats."""
    weight: float

    @property
    def per_token(self) -> float:
        """Nats per token of weight 1; NaN if the sum of the weights is 0."""
        return self.total / self.weight if self.weight else float("nan")

    def __add__(self, other: Nll) -> Nll:
        return Nll(total=self.total + other.total, weight=self.weight + other.weight)


def weighted_nll(datums: Sequence[tinker.Datum], outputs: types.ForwardBackwardOutput) -> Nll:
    """The NLL of the targets, from the returned logprobs and the loss weights of the datums.

    Raises DataError if their shapes differ.
    """
    total = weight = 0.0
    for datum, output in zip(datums, outputs.loss_fn_outputs, strict=True):
        weights_N = datum_weights(datum)
        logprobs_N = np.asarray(output["logprobs"].to_numpy(), dtype=np.float64)
        if logprobs_N.shape != weights_N.shape:
            raise DataError(f"weights have shape {weights_N.shape}, logprobs {logprobs_N.shape}")
        total -= float((weights_N * logprobs_N).sum())
        weight += float(weights_N.sum())
    return Nll(total=total, weight=weight)


def datum_weights(datum: tinker.Datum) -> NDArray[np.float64]:
    """The loss weights of a datum's targets, shape (N,)."""
    return np.asarray(datum.loss_fn_inputs["weights"].to_numpy(), dtype=np.float64)
