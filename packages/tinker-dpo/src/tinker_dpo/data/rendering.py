"""Pairs and judged responses to datums, still held together.

A datum's weights are 1 on the tokens of the response and 0 on those of the prompt: they say whose
log-probabilities a response's score is made of.
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
from tinker_data import PreferencePair
from tinker_dpo.data.judged_response import JudgedResponse, Messages, check_pair
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
        """Tokens of prompt and response."""
        return int(self.datum.model_input.length) + 1

    @cached_property
    def key(self) -> str:
        """A name for the tokens and their weights: the same for equal ones, in every process."""
        digest = sha256()  # processors have an instruction for it
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
    """Both sides of a pair."""

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
    """A judged response, and beside it one that belongs to another prompt.

    KTO measures the distance to the reference on the second one.
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


RenderedItem = RenderedPair | RenderedJudged


@frozen(kw_only=True)
class ResponseRenderer:
    """How a response becomes a datum."""

    renderer: Renderer
    max_length: int | None = None
    """Longest prompt and response together, in tokens."""

    def render(
        self,
        prompt: Messages,
        response: Messages,
        *,
        side: str = "response",
        cut: bool = False,
    ) -> RenderedResponse:
        """The response after its prompt, cut from the right where it is too long and that is asked.

        Raises DataError, with `side` as its field, where it cannot be expressed or is too long.
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
        if cut:
            return RenderedResponse(
                datum_from_model_input_weights(tokens, weights_T, self.max_length)
            )
        _check_length(tokens.length, self.max_length, side)
        return RenderedResponse(datum_from_model_input_weights(tokens, weights_T))


@frozen(kw_only=True)
class ScoreRenderer:
    """How a response becomes a datum that asks for a verdict on it: the score of a reward model.

    After the prompt and the response comes a user's question; the one label that answers it carries
    the weight.
    """

    renderer: Renderer
    question: str
    label: str
    max_length: int | None = None

    def ask(self, prompt: Messages, response: Messages) -> tuple[tinker.ModelInput, int]:
        """Everything up to the label's last token, and how many tokens the label has.

        Raises RenderError where the conversation cannot be expressed.
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
        """The label after prompt, response and question; raises DataError as above."""
        try:
            whole, label_length = self.ask(prompt, response)
        except RenderError as error:
            raise DataError(str(error), field=side) from error
        _check_length(whole.length, self.max_length, side)
        weights_T = np.arange(whole.length) >= whole.length - label_length
        return RenderedResponse(datum_from_model_input_weights(whole, weights_T))


def render_pair(pair: PreferencePair, renderer: ResponseRenderer | ScoreRenderer) -> RenderedPair:
    """Both sides; raises DataError with the pair's place, also where they come out as one."""
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
    """The response, and `other`'s after the same prompt; raises DataError with the place.

    The other one is cut where it is too long: it has no gradient, it only measures a distance.
    """
    try:
        return RenderedJudged(
            response=renderer.render(judged.prompt, judged.response),
            mismatched=renderer.render(judged.prompt, other.response, cut=True),
            desirable=judged.desirable,
        )
    except DataError as error:
        raise judged.place.error(error) from error


def _check_length(num_tokens: int, max_length: int | None, side: str) -> None:
    if max_length is not None and num_tokens > max_length:
        raise DataError(f"{num_tokens} tokens, over max_length={max_length}", field=side)
