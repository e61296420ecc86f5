"""The model that is asked: a snapshot's sampling client, and how it is spoken to."""

from __future__ import annotations

from typing import Protocol

import tinker
from attrs import frozen
from tinker import types

from tinker_render import Renderer


class SamplingClient(Protocol):
    """The part of `tinker.SamplingClient` that is used here."""

    def sample(
        self,
        prompt: tinker.ModelInput,
        num_samples: int,
        sampling_params: tinker.SamplingParams,
    ) -> tinker.APIFuture[types.SampleResponse]:
        """Continuations of the prompt."""
        ...

    def compute_logprobs(self, prompt: tinker.ModelInput) -> tinker.APIFuture[list[float | None]]:
        """The logprob of each token of the prompt; None for the first."""
        ...


@frozen(kw_only=True)
class Model:
    """A snapshot and its renderer."""

    name: str
    """Stands in the results: a base model or a checkpoint's path."""
    client: SamplingClient
    renderer: Renderer
    context_length: int | None = None
    """Tokens of prompt and reply together, where it is known; replies are kept within."""

    def room(self, prompt: tinker.ModelInput, max_tokens: int) -> int:
        """Tokens that a reply may have; at least one, for the engine refuses too long a prompt."""
        if self.context_length is None:
            return max_tokens
        return max(1, min(max_tokens, self.context_length - prompt.length))
