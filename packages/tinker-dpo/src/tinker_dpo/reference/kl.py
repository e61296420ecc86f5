"""The KL of the policy to the reference, estimated on samples of the policy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tinker
from attrs import frozen

from tinker_core import next_token_datum
from tinker_dpo.custom_loss import sequence_logprobs
from tinker_dpo.data.rendering import RenderedResponse
from tinker_train import Metrics, engine_errors, gather


@frozen(kw_only=True)
class KlToReference:
    """An evaluator: KL(policy || reference) over whole responses, on samples of the policy.

    It is the mean of log policy - log reference over one sample of each prompt at temperature 1: an
    unbiased estimate, noisy for few prompts. The seed of prompt i is `params.seed` + i in every
    evaluation, which makes curves smoother than the estimate is precise. Responses are cut at
    `params.max_tokens`.
    """

    reference: tinker.TrainingClient
    """Only forward passes are submitted to it."""
    prompts: Sequence[Sequence[int]]
    """Tokens before the response."""
    params: tinker.SamplingParams

    async def __call__(self, sampler: tinker.SamplingClient) -> Metrics:
        """`kl_to_reference` in nats per response, `kl_per_token` in nats per token."""
        samples = await gather(
            self._sample(sampler, number, prompt) for number, prompt in enumerate(self.prompts)
        )
        responses, logprobs = zip(*samples, strict=True)
        with engine_errors("forward of the reference"):
            outputs = await self.reference.forward([r.datum for r in responses], "cross_entropy")
        log_ratio = np.array(logprobs) - np.array(sequence_logprobs(responses, outputs))
        num_tokens = sum(float(response.mask.sum()) for response in responses)
        return {
            "kl_to_reference": float(log_ratio.mean()),
            "kl_per_token": float(log_ratio.sum()) / num_tokens,
        }

    async def _sample(
        self, sampler: tinker.SamplingClient, number: int, prompt: Sequence[int]
    ) -> tuple[RenderedResponse, float]:
        """A response and its log-probability under the policy."""
        tokens = tinker.ModelInput.from_ints(list(prompt))
        seed = None if self.params.seed is None else self.params.seed + number
        params = self.params.model_copy(update={"seed": seed})
        with engine_errors("sample"):
            answer = (await sampler.sample(tokens, 1, params)).sequences[0]
        mask = np.arange(len(prompt) + len(answer.tokens)) >= len(prompt)
        datum = next_token_datum([*prompt, *answer.tokens], weights=mask)
        return RenderedResponse(datum), float(np.sum(answer.logprobs))


def prompt_of(response: RenderedResponse) -> list[int]:
    """The tokens before the response."""
    first_target = int(np.flatnonzero(response.mask)[0])
    return list(response.datum.model_input.to_ints()[: first_target + 1])
