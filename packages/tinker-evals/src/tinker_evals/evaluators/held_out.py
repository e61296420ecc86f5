"""Held-out likelihood: how well a model predicts conversations that it was not trained on."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

import numpy as np
import tinker
from attrs import field, frozen, validators

from tinker_core import DataError, Message, datum_from_model_input_weights
from tinker_evals.model.model import SamplingClient
from tinker_render import DEFAULT_TRAIN_ON_WHAT, Renderer, TrainOnWhat
from tinker_train import Metrics, Nll, datum_weights, engine_errors, gather, weighted_nll

Conversations = Sequence[Sequence[Message | Mapping[str, Any]]]

_CONCURRENCY = 64
"""Sequences in flight at once."""


@frozen(kw_only=True, eq=False)
class HeldOut:
    """Rendered conversations. The methods are evaluators of the two kinds of clients.

    Their metrics: `nll` in nats per token; `bits_per_byte`, which compares models with different
    tokenizers; `num_tokens`.
    """

    datums: Sequence[tinker.Datum] = field(validator=validators.min_len(1))
    num_bytes: int
    """UTF-8 bytes of the predicted text, without control tokens."""

    def training_nll(self, client: tinker.TrainingClient) -> Awaitable[Metrics]:
        """The likelihood under a training client's weights.

        The forward pass is submitted before this returns: steps submitted later are not seen.
        """
        return self._of_forward(client.forward(list(self.datums), "cross_entropy"))

    async def sampling_nll(self, client: SamplingClient) -> Metrics:
        """The likelihood under a sampling client's weights. Raises EngineError."""
        with engine_errors("logprobs of the held-out data"):
            found = await gather(
                (_sequence_nll(client, datum) for datum in self.datums), limit=_CONCURRENCY
            )
        return self._metrics(sum(found, Nll(total=0.0, weight=0.0)))

    async def _of_forward(
        self, forward: tinker.APIFuture[tinker.types.ForwardBackwardOutput]
    ) -> Metrics:
        with engine_errors("forward of the held-out data"):
            outputs = await forward
        return self._metrics(weighted_nll(self.datums, outputs))

    def _metrics(self, nll: Nll) -> Metrics:
        bits = nll.total / math.log(2)
        per_byte = bits / self.num_bytes if self.num_bytes else math.nan
        return {"nll": nll.per_token, "bits_per_byte": per_byte, "num_tokens": nll.weight}


def held_out(
    conversations: Conversations,
    renderer: Renderer,
    train_on_what: TrainOnWhat = DEFAULT_TRAIN_ON_WHAT,
) -> HeldOut:
    """Render conversations. The predicted tokens are those that `train_on_what` trains on.

    Raises DataError with the number of the conversation, from 1.
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


async def _sequence_nll(client: SamplingClient, datum: tinker.Datum) -> Nll:
    last = int(datum.loss_fn_inputs["target_tokens"].to_numpy()[-1])
    logprobs = await client.compute_logprobs(datum.model_input.append_int(last))
    weights_N = datum_weights(datum)
    logprobs_N = np.array(logprobs[1:], dtype=np.float64)  # nothing predicts the first token
    return Nll(total=-float((weights_N * logprobs_N).sum()), weight=float(weights_N.sum()))
