"""How far the policy has moved from the reference, measured on what it says now."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tinker
from attrs import frozen

from tinker_core import next_token_datum
from tinker_dpo.custom_loss import sequence_logprobs
from tinker_dpo.data.rendering import RenderedResponse
from tinker_train import Metrics, engine_errors, task_group


@frozen(kw_only=True)
class KlToReference:
    """An evaluator: KL(policy || reference) over whole responses, by the policy's own samples.

    The mean of log policy - log reference over one sample at temperature 1 of each prompt: without
    bias, and noisy where there are few prompts. The seed is the same each time, plus the number of
    the prompt, so that curves are smoother than the estimate is sharp. Responses are cut at
    `params.max_tokens`.
    """

    reference: tinker.TrainingClient
    """Nothing but forward passes is asked of it."""
    prompts: Sequence[Sequence[int]]
    """Tokens up to the response."""
    params: tinker.SamplingParams

    async def __call__(self, sampler: tinker.SamplingClient) -> Metrics:
        """`test/kl_to_reference` in nats per response, `test/kl_per_token` in nats per token."""
        async with task_group() as tasks:
            drawn = [
                tasks.create_task(self._draw(sampler, number, prompt))
                for number, prompt in enumerate(self.prompts)
            ]
        responses = [task.result()[0] for task in drawn]
        policy = np.array([task.result()[1] for task in drawn])
        with engine_errors("forward of the reference"):
            outputs = await self.reference.forward([r.datum for r in responses], "cross_entropy")
        log_ratio = policy - np.array(sequence_logprobs(responses, outputs))
        num_tokens = sum(float(response.mask.sum()) for response in responses)
        return {
            "test/kl_to_reference": float(log_ratio.mean()),
            "test/kl_per_token": float(log_ratio.sum()) / num_tokens,
        }

    async def _draw(
        self, sampler: tinker.SamplingClient, number: int, prompt: Sequence[int]
    ) -> tuple[RenderedResponse, float]:
        """A response, and its log-probability under the policy."""
        tokens = tinker.ModelInput.from_ints(list(prompt))
        seed = None if self.params.seed is None else self.params.seed + number
        params = self.params.model_copy(update={"seed": seed})
        with engine_errors("sample"):
            answer = (await sampler.sample(tokens, 1, params)).sequences[0]
        mask = np.arange(len(prompt) + len(answer.tokens)) >= len(prompt)
        datum = next_token_datum([*prompt, *answer.tokens], weights=mask)
        return RenderedResponse(datum), float(np.sum(answer.logprobs))


def prompt_of(response: RenderedResponse) -> list[int]:
    """The tokens before the first one that has a weight."""
    first_target = int(np.flatnonzero(response.mask)[0])
    return list(response.datum.model_input.to_ints()[: first_target + 1])
