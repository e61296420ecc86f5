"""Pairs and judged responses to datums, which stay together.

The weights of a datum are 1 on the tokens of the response and 0 on those of the prompt: the score
of a response is the log-probability of the tokens with weight 1.
"""

from __future__ import annotations

from functools import cached_property
from hashlib import sha256

import numpy as np
import tinker
from attrs import evolve, frozen
from numpy.typing import NDArray

from tinker_core import (
    DataError,
    Message,
    RenderError,
    datum_from_model_input_weights,
)
from tinker_data import PreferencePair, check_pair
from tinker_data.layouts.fields import Messages
from tinker_dpo.data.preference import JudgedResponse
from tinker_render import Renderer, TrainOnWhat


@frozen(eq=False, slots=False)
class RenderedResponse:
    """A response after its prompt, as a cross-entropy datum with weights of 0 and 1."""

    datum: tinker.Datum

    @cached_property
    def mask(self) -> NDArray[np.float64]:
        """1 where the target belongs to the response, shape (N,)."""
        return np.asarray(self.datum.loss_fn_inputs["weights"].to_numpy(), dtype=np.float64)

    @property
    def num_tokens(self) -> int:
        """Number of tokens of prompt and response."""
        return int(self.datum.model_input.length) + 1

    @cached_property
    def key(self) -> str:
        """A hash of the tokens and their weights, the same in every process."""
        digest = sha256()  # processors have instructions for it
        for number, chunk in enumerate(self.datum.model_input.chunks):
            if not isinstance(chunk, tinker.EncodedTextChunk):
                digest.update(chunk.model_dump_json().encode())
            elif number == 0:
                digest.update(b"%d" % chunk.tokens[0])  # all others are targets too
        digest.update(self.datum.loss_fn_inputs["target_tokens"].to_numpy().astype("<i4").tobytes())
        digest.update(self.mask.astype(np.bool_).tobytes())
        return digest.hexdigest()[:24]


@frozen(kw_only=True, eq=False)
class RenderedPair:
    """Both responses of a pair."""

    chosen: RenderedResponse
    rejected: RenderedResponse

    @property
    def responses(self) -> tuple[RenderedResponse, RenderedResponse]:
        """Chosen, then rejected."""
        return self.chosen, self.rejected

    @property
    def trained(self) -> tuple[RenderedResponse, ...]:
        """The responses that have a gradient."""
        return self.responses


@frozen(kw_only=True, eq=False)
class RenderedJudged:
    """A judged response, and a mismatched one, which answers another prompt.

    KTO estimates the KL to the reference on the mismatched ones.
    """

    response: RenderedResponse
    mismatched: RenderedResponse
    desirable: bool

    @property
    def responses(self) -> tuple[RenderedResponse, RenderedResponse]:
        """The judged one, then the mismatched."""
        return self.response, self.mismatched

    @property
    def trained(self) -> tuple[RenderedResponse, ...]:
        """The responses that have a gradient."""
        return (self.response,)


RenderedPreference = RenderedPair | RenderedJudged


@frozen(kw_only=True)
class ResponseRenderer:
    """Renders a response to a datum whose score is that of the response."""

    renderer: Renderer
    max_length: int | None = None
    """Longest prompt and response together, in tokens."""

    def render(
        self,
        prompt: Messages,
        response: Messages,
        *,
        side: str = "response",
        truncate: bool = False,
    ) -> RenderedResponse:
        """The response after its prompt; with `truncate` it is cut from the right to `max_length`.

        Raises DataError, with `side` as its field, for what cannot be expressed or is too long.
        """
        marked = [
            *(evolve(message, trainable=False) for message in prompt),
            *(evolve(message, trainable=message.role == "assistant") for message in response),
        ]
        try:
            tokens, weights_T = self.renderer.build_supervised_example(
                marked, TrainOnWhat.CUSTOMIZED
            )
        except RenderError as error:
            raise DataError(str(error), field=side) from error
        if truncate:
            return RenderedResponse(
                datum_from_model_input_weights(tokens, weights_T, self.max_length)
            )
        _check_length(tokens.length, self.max_length, side)
        return RenderedResponse(datum_from_model_input_weights(tokens, weights_T))


@frozen(kw_only=True)
class ScoreRenderer:
    """Renders a response to a datum that judges it: its score is that of a label.

    After the prompt and the response comes the user's question; the label that answers it has
    weight 1. This is the form of a reward model.
    """

    renderer: Renderer
    question: str
    label: str
    max_length: int | None = None

    def query(self, prompt: Messages, response: Messages) -> tuple[tinker.ModelInput, int]:
        """Everything up to the label's last token, and the number of tokens of the label.

        Raises RenderError if the conversation cannot be expressed.
        """
        asked = [*prompt, *response, Message(role="user", content=self.question)]
        before = self.renderer.build_generation_prompt(asked)
        whole = self.renderer.build_generation_prompt(asked, prefill=self.label)
        return whole, whole.length - before.length

    def render(
        self,
        prompt: Messages,
        response: Messages,
        *,
        side: str = "response",
    ) -> RenderedResponse:
        """The label after prompt, response and question.

        Raises DataError, with `side` as its field, for what cannot be expressed or is too long.
        """
        try:
            whole, label_length = self.query(prompt, response)
        except RenderError as error:
            raise DataError(str(error), field=side) from error
        _check_length(whole.length, self.max_length, side)
        weights_T = np.arange(whole.length) >= whole.length - label_length
        return RenderedResponse(datum_from_model_input_weights(whole, weights_T))


def render_pair(pair: PreferencePair, renderer: ResponseRenderer | ScoreRenderer) -> RenderedPair:
    """Both responses; raises DataError with the pair's place, also if their tokens are equal."""
    try:
        check_pair(pair)
        rendered = RenderedPair(
            chosen=renderer.render(pair.prompt, pair.chosen, side="chosen"),
            rejected=renderer.render(pair.prompt, pair.rejected, side="rejected"),
        )
        if rendered.chosen.key == rendered.rejected.key:
            raise DataError("both sides have the same tokens", field="chosen")
    except DataError as error:
        raise pair.place.error(error) from error
    return rendered


def render_judged(
    judged: JudgedResponse, other: JudgedResponse, renderer: ResponseRenderer
) -> RenderedJudged:
    """The response, and that of `other` after the same prompt as the mismatched one.

    The mismatched response is truncated to `max_length`: it has no gradient. Raises DataError with
    the place.
    """
    try:
        return RenderedJudged(
            response=renderer.render(judged.prompt, judged.response),
            mismatched=renderer.render(judged.prompt, other.response, truncate=True),
            desirable=judged.desirable,
        )
    except DataError as error:
        raise judged.place.error(error) from error


def _check_length(num_tokens: int, max_length: int | None, side: str) -> None:
    if max_length is not None and num_tokens > max_length:
        raise DataError(f"{num_tokens} tokens, over max_length={max_length}", field=side)
