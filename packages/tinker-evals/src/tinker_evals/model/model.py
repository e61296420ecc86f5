"""The model under evaluation: a sampling client and the renderer of its prompts."""

from __future__ import annotations

from typing import Protocol

import tinker
from attrs import frozen
from tinker import types

from tinker_render import Renderer
from tinker_train import TrainedModel


class SamplingClient(Protocol):
    """The part of `tinker.SamplingClient` that this package uses."""

    def sample(
        self,
        prompt: tinker.ModelInput,
        num_samples: int,
        sampling_params: tinker.SamplingParams,
    ) -> tinker.APIFuture[types.SampleResponse]:
        """Sample continuations of the prompt."""
        ...

    def compute_logprobs(self, prompt: tinker.ModelInput) -> tinker.APIFuture[list[float | None]]:
        """The logprob of each token of the prompt; None for the first."""
        ...


@frozen(kw_only=True)
class Model:
    """A snapshot of a model, and its renderer."""

    name: str
    """Name in the results: a base model, or the path of a checkpoint."""
    client: SamplingClient
    renderer: Renderer
    context_length: int | None = None
    """Most tokens of prompt and reply together, if the engine states it. Replies stay within it."""
    trained: TrainedModel | None = None
    """The checkpoint; None for a base model."""

    def room(self, prompt: tinker.ModelInput, max_tokens: int) -> int:
        """Most tokens of a reply to the prompt; 1 for a prompt that the engine will refuse."""
        if self.context_length is None:
            return max_tokens
        return max(1, min(max_tokens, self.context_length - prompt.length))
