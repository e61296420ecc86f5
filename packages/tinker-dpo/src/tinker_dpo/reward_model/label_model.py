"""A preference model that reads both responses and replies with the label of the better one.

It is trained by supervised learning: `ComparisonFile` makes datums of comparisons for `tinker-sl`,
each with one label as its target, and `LabelModel` queries the trained model. The whole comparison
is one user message, so every chat format can express it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import tinker
from attrs import field, frozen, validators

from tinker_core import (
    Comparison,
    ConfigError,
    DataError,
    Message,
    RenderError,
    datum_from_model_input_weights,
)
from tinker_data import (
    BatchedRows,
    Batching,
    PreferencePair,
    RenderedRow,
    SupervisedData,
    check_pair,
    read_pair,
)
from tinker_data.layouts.fields import Messages
from tinker_dpo.data.builders import PreferenceRows, ReadRows
from tinker_dpo.data.preference import comparison_of
from tinker_dpo.data.row_formats import READERS
from tinker_dpo.objectives.logistic import sigmoid
from tinker_render import Renderer
from tinker_train import engine_errors, gather

QUESTION = "Which answer is better, {first} or {second}?"

Order = Literal["both", "random"]


@frozen(kw_only=True)
class ComparisonRenderer:
    """Renders a comparison to a user message, which a label answers. Text only.

    Raises ConfigError for labels that begin with the same token: only the first token is trained.
    """

    renderer: Renderer
    question: str = QUESTION
    """Text after the two responses; `{first}` and `{second}` become the labels."""
    labels: tuple[str, str] = ("A", "B")
    """Labels of the first and of the second response."""

    def __attrs_post_init__(self) -> None:
        probe = [Message(role="user", content="?")]
        first, second = (self._label_tokens(probe, label) for label in self.labels)
        if first[0] == second[0]:
            raise ConfigError(f"the labels {self.labels} begin with the same token")

    def messages(self, comparison: Comparison) -> list[Message]:
        """The user message; raises RenderError for a message that is not plain text."""
        labels = self.labels
        parts = [
            transcript(comparison.prompt),
            *(
                f"Answer {label}:\n{transcript(response, only=len(response) == 1)}"
                for label, response in zip(
                    labels, (comparison.first, comparison.second), strict=True
                )
            ),
            self.question.format(first=labels[0], second=labels[1]),
        ]
        return [Message(role="user", content="\n\n".join(parts))]

    def query(self, comparison: Comparison, label: int) -> tinker.ModelInput:
        """Everything up to the first token of the label of that index, 0 or 1."""
        messages = self.messages(comparison)
        before = self.renderer.build_generation_prompt(messages)
        first, *_ = self._label_tokens(messages, self.labels[label])
        return tinker.ModelInput.from_ints([*before.to_ints(), first])

    def datum(self, comparison: Comparison, better: int) -> tinker.Datum:
        """A datum whose target is the first token of the label of response `better`, 0 or 1."""
        tokens = self.query(comparison, better)
        return datum_from_model_input_weights(tokens, np.arange(tokens.length) == tokens.length - 1)

    def _label_tokens(self, messages: Sequence[Message], label: str) -> list[int]:
        before = self.renderer.build_generation_prompt(messages)
        after = self.renderer.build_generation_prompt(messages, prefill=label)
        if after.length == before.length:
            raise ConfigError(f"the label {label!r} has no token")
        return after.to_ints()[before.length :]


def transcript(messages: Messages, *, only: bool = False) -> str:
    """Messages as text, each with its role in front, unless it is the `only` one.

    Raises RenderError for a message that is not plain text.
    """
    for i, message in enumerate(messages):
        if not message.text or len(message.content) != 1 or message.tool_calls:
            raise RenderError(f"messages[{i}] ({message.role}): a comparison holds text alone")
    if only:
        return messages[0].text
    return "\n\n".join(f"{message.role.capitalize()}:\n{message.text}" for message in messages)


@frozen(kw_only=True)
class LabelModel:
    """Compares two responses by the probabilities of the labels; a `PreferenceModel`."""

    sampler: tinker.SamplingClient
    renderer: ComparisonRenderer
    """Must have the question and the labels of the training."""
    both_orders: bool = True
    """Average over both orders, so that the position of a response has no effect."""

    async def prefer(self, comparison: Comparison) -> float:
        """The first label's share of the probability of both; raises EngineError, RenderError."""
        if not self.both_orders:
            return await self._first(comparison)
        there, back = await gather(map(self._first, (comparison, comparison.swapped)))
        return (there + 1.0 - back) / 2

    async def _first(self, comparison: Comparison) -> float:
        queries = [self.renderer.query(comparison, label) for label in (0, 1)]
        first, second = await gather(map(self._logprob, queries))
        return float(sigmoid(first - second))

    async def _logprob(self, tokens: tinker.ModelInput) -> float:
        with engine_errors("logprobs of the preference model"):
            logprobs = await self.sampler.compute_logprobs(tokens)
        return logprobs[-1] or 0.0


@frozen(kw_only=True)
class ComparisonFile(PreferenceRows):
    """Pairs in a JSONL file as comparisons to learn from, for `tinker_sl.Config(data=...)`."""

    order: Order = field(default="both", validator=validators.in_(["both", "random"]))
    """Each pair in both orders, next to each other in a batch, or in one, drawn by the seed."""
    question: str = QUESTION
    labels: tuple[str, str] = ("A", "B")
    batching: Batching = field(factory=Batching)
    """A row is a pair."""

    def build(self, *, renderer: Renderer, seed: int) -> SupervisedData:
        """Open the files and render every row once; raises DataError with file and row."""
        form = ComparisonRenderer(renderer=renderer, question=self.question, labels=self.labels)

        def render(pair: PreferencePair) -> RenderedRow:
            return render_comparison(pair, form, self.order, seed)

        read = read_pair if self.source is None else READERS[self.source]
        train, test = (ReadRows(rows, read) for rows in self.open(seed))
        for rows in (train, test):
            for i in range(len(rows)):
                render(rows[i])
        return SupervisedData(
            train=BatchedRows(
                rows=train, render=render, batching=self.batching, seed=seed, name=str(self.path)
            ),
            test=tuple(datum for i in range(len(test)) for datum in render(test[i]).datums),
        )


def render_comparison(
    pair: PreferencePair, form: ComparisonRenderer, order: Order, seed: int
) -> RenderedRow:
    """One datum of the pair, or one per order; raises DataError with the pair's place."""
    orders = [0, 1]
    if order == "random":
        orders = [int(np.random.default_rng([seed, pair.place.row or 0]).integers(2))]
    comparison = comparison_of(pair)
    try:
        check_pair(pair)
        return RenderedRow(
            datums=tuple(
                form.datum(comparison.swapped if chosen else comparison, chosen)
                for chosen in orders
            )
        )
    except DataError as error:
        raise pair.place.error(error) from error
    except RenderError as error:
        raise pair.place.error(DataError(str(error))) from error
