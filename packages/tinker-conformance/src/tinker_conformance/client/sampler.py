"""A sampling client that records its calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import tinker
from attrs import define
from tinker import types

from tinker_conformance.client.batch import tensor_source
from tinker_conformance.client.shown import Shown
from tinker_conformance.client.trainer import Call

if TYPE_CHECKING:
    from tinker_conformance.client.server import Server

Prompt = Sequence[int] | types.ModelInput


@define(eq=False)
class Sampler:
    """Weights to sample from."""

    client: tinker.SamplingClient
    variable: str
    server: Server

    def sample(
        self, prompt: Prompt, params: types.SamplingParams, num_samples: int = 1, **options: Any
    ) -> Call:
        """Continuations of a prompt; `options` are those of `SamplingClient.sample`."""
        given = params.model_dump(exclude_unset=True)
        fields = ", ".join(f"{name}={value!r}" for name, value in given.items())
        extra = "".join(f", {name}={_source(value)}" for name, value in options.items())
        text = (
            f"sample({prompt_source(prompt)}, {num_samples}, types.SamplingParams({fields}){extra})"
        )
        variable = self._record(text, "samples")
        future = self.client.sample(_model_input(prompt), num_samples, params, **options)
        return Call(future, variable, self.server)

    def compute_logprobs(self, prompt: Prompt) -> Shown:
        """The logprobs of a prompt's tokens."""
        variable = self._record(f"compute_logprobs({prompt_source(prompt)})", "logprobs")
        call = Call(self.client.compute_logprobs(_model_input(prompt)), variable, self.server)
        return call.result().show("$")

    def _record(self, call: str, stem: str) -> str:
        script = self.server.script
        variable = script.variable(stem)
        text = f"{variable} = {self.variable}.{call}"
        script.add(text, makes=variable, needs={self.variable})
        return variable


def _model_input(prompt: Prompt) -> types.ModelInput:
    if isinstance(prompt, types.ModelInput):
        return prompt
    return types.ModelInput.from_ints([int(token) for token in prompt])


def prompt_source(prompt: Prompt) -> str:
    """A prompt as Python source."""
    if isinstance(prompt, types.ModelInput):
        return f"types.ModelInput(chunks=[{', '.join(f'types.{c!r}' for c in prompt.chunks)}])"
    return f"types.ModelInput.from_ints({[int(token) for token in prompt]})"


def _source(value: Any) -> str:
    return tensor_source(value) if isinstance(value, types.TensorData) else repr(value)
