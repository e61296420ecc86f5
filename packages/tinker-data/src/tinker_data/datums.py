"""Conversations to datums, and the policies for what is too long or has no form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import tinker
from attrs import evolve, field, frozen, validators

from tinker_core import (
    DataError,
    Message,
    Normalisation,
    RenderError,
    datum_from_model_input_weights,
    strip_reasoning,
)
from tinker_core.datum import Reduction
from tinker_data.rows import Conversation
from tinker_render import DEFAULT_TRAIN_ON_WHAT, Renderer, TrainOnWhat

TooLong = Literal["truncate", "drop", "error"]
ReasoningPolicy = Literal["error", "strip"]


def conversation_to_datum(
    messages: Sequence[Message | Mapping[str, Any]],
    renderer: Renderer,
    max_length: int | None = None,
    train_on_what: TrainOnWhat = DEFAULT_TRAIN_ON_WHAT,
    reduction: Reduction = "mean",
) -> tinker.Datum:
    """A cross-entropy datum of one conversation, cut from the right to `max_length` tokens.

    `reduction="mean"` makes the weights sum to one, so that long and short answers count the same;
    with "none" they are 0 and 1. Raises DataError if no token is left to train on.
    """
    model_input, weights_T = renderer.build_supervised_example(messages, train_on_what)
    return datum_from_model_input_weights(model_input, weights_T, max_length, reduction)


@frozen(kw_only=True)
class Rendering:
    """Settings of the step from a conversation to datums."""

    max_length: int | None = field(default=None, validator=validators.optional(validators.ge(2)))
    """Longest example in tokens; None is the context of the model, if the renderer knows it."""
    too_long: TooLong = field(
        default="truncate", validator=validators.in_(["truncate", "drop", "error"])
    )
    """A longer example is cut from the right, dropped (both are counted), or an error."""
    train_on_what: TrainOnWhat = DEFAULT_TRAIN_ON_WHAT
    """The messages to train on. A message of weight 0 is never trained on."""
    reasoning: ReasoningPolicy = field(
        default="error", validator=validators.in_(["error", "strip"])
    )
    """Reasoning that the format has no form for is an error, or is removed and counted."""

    def limit(self, renderer: Renderer) -> int | None:
        """The longest example in tokens; None for no limit."""
        return renderer.context_length if self.max_length is None else self.max_length


@frozen(kw_only=True)
class RenderedRow:
    """The datums of one row, and what was lost."""

    datums: tuple[tinker.Datum, ...] = ()
    num_truncated: int = 0
    """Datums cut to the limit."""
    num_dropped: int = 0
    """Datums dropped: too long, or nothing to train on within the limit."""
    num_skipped_rows: int = 0
    """1 for a row that cannot be used, under the policy to skip such rows."""
    num_reasoning_stripped: int = 0
    """1 for a row whose reasoning was removed because the format has no form for it."""
    length: int = 0
    """Tokens of the longest example of the row, before it was cut."""


COUNTS = ("num_truncated", "num_dropped", "num_skipped_rows", "num_reasoning_stripped")
"""The fields of `RenderedRow` that count losses."""


def render_conversation(
    conversation: Conversation, renderer: Renderer, rendering: Rendering
) -> RenderedRow:
    """The datums of a conversation, weights 0 and 1; several if the renderer splits it.

    Raises DataError with the place for a conversation that cannot be rendered or trained on.
    """
    with conversation.place.errors():
        try:
            return _rendered(conversation, renderer, rendering)
        except RenderError as error:
            raise DataError(f"{error}{_advice(error)}") from error


def _rendered(conversation: Conversation, renderer: Renderer, rendering: Rendering) -> RenderedRow:
    """The datums of a conversation, without its reasoning if the policy removes it."""
    try:
        return _render(conversation, renderer, rendering)
    except RenderError as error:
        if error.lacks != "reasoning" or rendering.reasoning != "strip":
            raise
    stripped = _without_reasoning(conversation)
    return evolve(_render(stripped, renderer, rendering), num_reasoning_stripped=1)


def _without_reasoning(conversation: Conversation) -> Conversation:
    messages = strip_reasoning(conversation.messages)
    for i, (before, now) in enumerate(zip(conversation.messages, messages, strict=True)):
        if before.content and not (now.content or now.tool_calls):
            problem = "nothing is left of the message without its reasoning"
            raise DataError(problem, field=f"messages[{i}]")
    return evolve(conversation, messages=messages)


def _advice(error: RenderError) -> str:
    """The settings that help, for an error about a feature that the format lacks."""
    if error.lacks is None:
        return ""
    strip = "rendering.reasoning='strip' removes it, " if error.lacks == "reasoning" else ""
    return f"; {strip}reading.bad_row='skip' skips such rows"


def _render(conversation: Conversation, renderer: Renderer, rendering: Rendering) -> RenderedRow:
    examples = renderer.build_supervised_examples(
        conversation.messages, rendering.train_on_what, tools=conversation.tools
    )
    limit = rendering.limit(renderer)
    made = [_datum(model_input, weights_T, rendering, limit) for model_input, weights_T in examples]
    return RenderedRow(
        datums=tuple(datum for datum, _ in made if datum is not None),
        num_truncated=sum(cut and datum is not None for datum, cut in made),
        num_dropped=sum(datum is None for datum, _ in made),
        length=max(model_input.length for model_input, _ in examples),
    )


def _datum(
    model_input: tinker.ModelInput, weights_T: Any, rendering: Rendering, limit: int | None
) -> tuple[tinker.Datum | None, bool]:
    """The datum, None if it is dropped, and whether it was too long."""
    if limit is None or model_input.length <= limit:
        return datum_from_model_input_weights(model_input, weights_T), False
    if rendering.too_long == "error":
        of = "max_length" if rendering.max_length is not None else "the context of the model"
        raise DataError(
            f"{model_input.length} tokens, over {of}={limit}; "
            "rendering.too_long='truncate' or 'drop' cuts or drops such rows"
        )
    if rendering.too_long == "drop" or not np.any(np.asarray(weights_T)[1:limit]):
        return None, True
    return datum_from_model_input_weights(model_input, weights_T, limit), True


def normalise_weights(datums: Sequence[tinker.Datum], how: Normalisation) -> list[tinker.Datum]:
    """The datums with weights that average the loss of the batch (`tinker_core.Normalisation`)."""
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
