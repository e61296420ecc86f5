"""How well a model predicts conversations that it was not trained on."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

import numpy as np
import tinker
from attrs import field, frozen, validators

from tinker_core import DataError, Message, datum_from_model_input_weights
from tinker_evals.evaluators.evaluator import Metrics
from tinker_evals.model.model import SamplingClient
from tinker_render import Renderer, TrainOnWhat
from tinker_train import Nll, datum_weights, engine_errors, task_group, weighted_nll

Conversations = Sequence[Sequence[Message | Mapping[str, Any]]]


@frozen(kw_only=True, eq=False)
class HeldOut:
    """Rendered conversations, and the size of the text whose likelihood is measured."""

    datums: Sequence[tinker.Datum] = field(validator=validators.min_len(1))
    num_bytes: int
    """Of the text that is predicted, in UTF-8, control tokens left out."""

    def metrics(self, nll: Nll) -> dict[str, float]:
        """Nats per token; bits per byte, which compares models whose tokens differ."""
        bits = nll.total / math.log(2)
        per_byte = bits / self.num_bytes if self.num_bytes else math.nan
        return {"nll": nll.per_token, "bits_per_byte": per_byte, "num_tokens": nll.weight}


def held_out(
    conversations: Conversations,
    renderer: Renderer,
    train_on_what: TrainOnWhat = TrainOnWhat.ALL_ASSISTANT_MESSAGES,
) -> HeldOut:
    """Render; what `train_on_what` would train on is what is predicted.

    Raises DataError with the conversation's number, from 1, for one that cannot be used.
    """
    datums: list[tinker.Datum] = []
    for row, messages in enumerate(conversations, start=1):
        try:
            examples = renderer.build_supervised_examples(messages, train_on_what)
            datums += [datum_from_model_input_weights(*example) for example in examples]
        except DataError as error:
            raise error.at(row=row) from error
    return HeldOut(datums=datums, num_bytes=sum(_bytes(datum, renderer) for datum in datums))


def _bytes(datum: tinker.Datum, renderer: Renderer) -> int:
    targets_N = datum.loss_fn_inputs["target_tokens"].to_numpy()
    predicted = targets_N[datum_weights(datum) > 0].tolist()
    return len(str(renderer.tokenizer.decode(predicted, skip_special_tokens=True)).encode())


@frozen(kw_only=True)
class TrainingNll:
    """Held-out likelihood of a training client's weights."""

    data: HeldOut

    def __call__(self, client: tinker.TrainingClient) -> Awaitable[Metrics]:
        """Submits at once; what is submitted afterwards does not change what is measured."""
        return self._metrics(client.forward(list(self.data.datums), "cross_entropy"))

    async def _metrics(
        self, forward: tinker.APIFuture[tinker.types.ForwardBackwardOutput]
    ) -> Metrics:
        with engine_errors("forward of the held-out data"):
            outputs = await forward
        return self.data.metrics(weighted_nll(self.data.datums, outputs))


@frozen(kw_only=True)
class SamplingNll:
    """The same of a sampling client, by the logprobs of whole sequences as prompts."""

    data: HeldOut
    concurrency: int = field(default=64, validator=validators.ge(1))

    async def __call__(self, client: SamplingClient) -> Metrics:
        """Raises EngineError."""
        slots = asyncio.Semaphore(self.concurrency)

        async def one(datum: tinker.Datum) -> Nll:
            async with slots:
                return await _sequence_nll(client, datum)

        with engine_errors("logprobs of the held-out data"):
            async with task_group() as group:
                tasks = [group.create_task(one(datum)) for datum in self.data.datums]
        nll = sum((task.result() for task in tasks), Nll(total=0.0, weight=0.0))
        return self.data.metrics(nll)


async def _sequence_nll(client: SamplingClient, datum: tinker.Datum) -> Nll:
    last = int(datum.loss_fn_inputs["target_tokens"].to_numpy()[-1])
    logprobs = await client.compute_logprobs(datum.model_input.append_int(last))
    weights_N = datum_weights(datum)
    logprobs_N = np.array(logprobs[1:], dtype=np.float64)  # nothing predicts the first token
    return Nll(total=-float((weights_N * logprobs_N).sum()), weight=float(weights_N.sum()))
