"""A loss of log-probabilities on an engine that has cross-entropy alone.

Cross-entropy with weights w is -sum(w * logprob), and its derivative by a log-probability is -w.
With w = -dloss/dlogprob, taken at the log-probabilities of a forward pass, its backward pass is
that of the loss. The SDK's `forward_backward_custom` does the same with torch; here it needs numpy
alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tinker
from attrs import frozen
from numpy.typing import NDArray
from tinker import types

from tinker_core import EngineError
from tinker_dpo.data.rendering import RenderedJudged, RenderedPreference, RenderedResponse
from tinker_dpo.objectives.objective import JudgedObjective, Objective
from tinker_dpo.objectives.token_loss import Response, TokenLoss, judged_loss, pair_loss

References = Mapping[str, float]
"""Log-probability of each response under the reference, by the response's key."""


@frozen(kw_only=True, eq=False)
class Surrogate:
    """Datums whose cross-entropy has the gradient of an objective, and the objective's value."""

    datums: Sequence[tinker.Datum]
    value: TokenLoss


def datums_of(items: Sequence[RenderedPreference]) -> list[tinker.Datum]:
    """The datums of the forward pass, preference by preference."""
    return [response.datum for item in items for response in item.responses]


def surrogate(
    objective: Objective,
    items: Sequence[RenderedPreference],
    outputs: types.ForwardBackwardOutput,
    references: References | None = None,
) -> Surrogate:
    """The objective's gradient at a forward pass over `datums_of(items)`, as datums.

    `references` are for objectives that need a reference. Raises EngineError for outputs that do
    not fit the datums.
    """
    responses = _responses(items, outputs, references)
    first, second = responses[::2], responses[1::2]
    if isinstance(objective, JudgedObjective):
        desirable = [isinstance(item, RenderedJudged) and item.desirable for item in items]
        value = judged_loss(objective, first, second, desirable)
    else:
        value = pair_loss(objective, list(zip(first, second, strict=True)))
    trained = [response for item in items for response in item.trained]
    return Surrogate(
        datums=[
            _with_weights(response, -slope)
            for response, slope in zip(trained, value.slopes, strict=True)
        ],
        value=value,
    )


def sequence_logprobs(
    responses: Sequence[RenderedResponse], outputs: types.ForwardBackwardOutput
) -> list[float]:
    """The log-probability of each response, summed over its tokens."""
    return [
        float(response.mask @ logprobs_N)
        for response, logprobs_N in zip(responses, _logprobs(responses, outputs), strict=True)
    ]


def _responses(
    items: Sequence[RenderedPreference],
    outputs: types.ForwardBackwardOutput,
    references: References | None,
) -> list[Response]:
    rendered = [response for item in items for response in item.responses]
    return [
        Response(
            logprobs=logprobs_N,
            mask=response.mask,
            reference=0.0 if references is None else references[response.key],
        )
        for response, logprobs_N in zip(rendered, _logprobs(rendered, outputs), strict=True)
    ]


def _logprobs(
    responses: Sequence[RenderedResponse], outputs: types.ForwardBackwardOutput
) -> list[NDArray[np.float64]]:
    rows = outputs.loss_fn_outputs
    if len(rows) != len(responses):
        raise EngineError(f"{len(responses)} datums were sent, logprobs of {len(rows)} came back")
    columns = [np.asarray(row["logprobs"].to_numpy(), dtype=np.float64) for row in rows]
    for i, (response, column) in enumerate(zip(responses, columns, strict=True)):
        if column.shape != response.mask.shape:
            raise EngineError(
                f"datum {i} has {response.mask.shape} targets, but logprobs {column.shape}"
            )
    return columns


def _with_weights(response: RenderedResponse, weight: float) -> tinker.Datum:
    """The response's datum, with the weight on its tokens and 0 on the prompt's."""
    inputs = response.datum.loss_fn_inputs
    weights_N = np.float32(weight) * inputs["weights"].to_numpy()
    return tinker.Datum(
        model_input=response.datum.model_input,
        loss_fn_inputs={**inputs, "weights": tinker.TensorData.from_numpy(weights_N)},
    )
