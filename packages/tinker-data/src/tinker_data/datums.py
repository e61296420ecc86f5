"""Conversations to datums, and what becomes of those that are too long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import tinker
from attrs import field, frozen, validators

from tinker_core import (
    DataError,
    Message,
    Normalisation,
    RenderError,
    datum_from_model_input_weights,
)
from tinker_core.datum import Reduction
from tinker_data.rows import Conversation
from tinker_render import Renderer, TrainOnWhat

TooLong = Literal["truncate", "drop", "error"]


def conversation_to_datum(
    messages: Sequence[Message | Mapping[str, Any]],
    renderer: Renderer,
    max_length: int | None = None,
    train_on_what: TrainOnWhat = TrainOnWhat.ALL_ASSISTANT_MESSAGES,
    reduction: Reduction = "mean",
) -> tinker.Datum:
    """A cross-entropy datum of one conversation, cut from the right to `max_length` tokens.

    `reduction="mean"` makes its weights sum to one, so that a long answer counts no more than a
    short one; "none" leaves them at 0 and 1. Raises DataError where no token is left to train on.
    """
    model_input, weights_T = renderer.build_supervised_example(messages, train_on_what)
    return datum_from_model_input_weights(model_input, weights_T, max_length, reduction)


@frozen(kw_only=True)
class Rendering:
    """How a conversation becomes datums."""

    max_length: int | None = field(default=None, validator=validators.optional(validators.ge(2)))
    """Longest datum in tokens; without it, the engine's own limit holds."""
    too_long: TooLong = field(
        default="truncate", validator=validators.in_(["truncate", "drop", "error"])
    )
    """A longer conversation is cut from the right, left out (both are counted), or an error."""
    train_on_what: TrainOnWhat = TrainOnWhat.ALL_ASSISTANT_MESSAGES
    """Which messages the loss counts."""


@frozen(kw_only=True)
class RenderedRow:
    """What became of one row: its datums, and what was lost on the way."""

    datums: tuple[tinker.Datum, ...] = ()
    num_truncated: int = 0
    """Datums cut to max_length."""
    num_dropped: int = 0
    """Datums left out: too long, or nothing to train on within max_length."""
    num_skipped_rows: int = 0
    """1 for a row that could not be used, where the policy is to skip such."""


def render_conversation(
    conversation: Conversation, renderer: Renderer, rendering: Rendering
) -> RenderedRow:
    """The datums of a conversation, weights 0 and 1; several where the renderer splits it.

    Raises DataError with the row's place for what cannot be rendered or has nothing to train on.
    """
    try:
        examples = renderer.build_supervised_examples(
            conversation.messages, rendering.train_on_what, tools=conversation.tools
        )
        made = [_datum(model_input, weights_T, rendering) for model_input, weights_T in examples]
    except DataError as error:
        raise conversation.place.error(error) from error
    except RenderError as error:
        raise conversation.place.error(DataError(str(error))) from error
    return RenderedRow(
        datums=tuple(datum for datum, _ in made if datum is not None),
        num_truncated=sum(cut and datum is not None for datum, cut in made),
        num_dropped=sum(datum is None for datum, _ in made),
    )


def _datum(
    model_input: tinker.ModelInput, weights_T: Any, rendering: Rendering
) -> tuple[tinker.Datum | None, bool]:
    """The datum, None where it is dropped, and whether it was longer than allowed."""
    limit = rendering.max_length
    if limit is None or model_input.length <= limit:
        return datum_from_model_input_weights(model_input, weights_T), False
    if rendering.too_long == "error":
        raise DataError(
            f"{model_input.length} tokens, over max_length={limit}; "
            "too_long='truncate' or 'drop' goes on without what is over"
        )
    if rendering.too_long == "drop" or not np.any(np.asarray(weights_T)[1:limit]):
        return None, True
    return datum_from_model_input_weights(model_input, weights_T, limit), True


def normalise_weights(datums: Sequence[tinker.Datum], how: Normalisation) -> list[tinker.Datum]:
    """The datums with weights that average the batch's loss, see `tinker_core.Normalisation`."""
    if how == "none":
        return list(datums)
    weights = [np.asarray(datum.loss_fn_inputs["weights"].to_numpy()) for datum in datums]
    if how == "token":
        totals = [float(sum(weights_N.sum() for weights_N in weights))] * len(datums)
    else:
        totals = [float(weights_N.sum()) * len(datums) for weights_N in weights]
    return [
        _with_weights(datum, weights_N / total)
        for datum, weights_N, total in zip(datums, weights, totals, strict=True)
    ]


def _with_weights(datum: tinker.Datum, weights_N: Any) -> tinker.Datum:
    weights = tinker.TensorData.from_numpy(weights_N.astype(np.float32))
    return tinker.Datum(
        model_input=datum.model_input,
        loss_fn_inputs={**datum.loss_fn_inputs, "weights": weights},
    )
