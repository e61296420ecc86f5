"""The training client and the sampling client of the bigram model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Protocol

import numpy as np
import tinker
from attrs import define, field
from tinker import types

from tinker_core.testing.futures import ReadyFuture, refused
from tinker_core.testing.losses import loss_and_slope
from tinker_core.testing.model import Array, BigramModel


class CheckpointFiles(Protocol):
    """The interface of a checkpoint folder."""

    def file(self, path: str) -> Path:
        """The file of a `tinker://` path."""
        ...

    def note(self, path: str, user_metadata: dict[str, str] | None) -> None:
        """Store the user's metadata of a checkpoint."""
        ...


@define
class BigramSamplingClient:
    """Implements the part of `tinker.SamplingClient` that the loops use."""

    table: Array

    def sample(
        self,
        prompt: tinker.ModelInput,
        num_samples: int,
        sampling_params: tinker.SamplingParams,
        include_prompt_logprobs: bool = False,
    ) -> ReadyFuture[types.SampleResponse]:
        """Sample completions of the prompt; a stop token ends one and is included."""

        def call() -> types.SampleResponse:
            rows = [
                self._sequence(prompt.to_ints()[-1], sampling_params, sample)
                for sample in range(num_samples)
            ]
            prompt_T = np.array(self._prompt(prompt), dtype=np.float32)  # None becomes NaN
            return types.SampleResponse(
                sequences=rows, prompt_logprobs_np=prompt_T if include_prompt_logprobs else None
            )

        return ReadyFuture(call)

    def compute_logprobs(self, prompt: tinker.ModelInput) -> ReadyFuture[list[float | None]]:
        """The logprob of each token of the prompt; None for the first."""
        return ReadyFuture(lambda: self._prompt(prompt))

    def _prompt(self, prompt: tinker.ModelInput) -> list[float | None]:
        tokens = prompt.to_ints()
        return [None, *(float(self.table[pair]) for pair in pairwise(tokens))]

    def _sequence(
        self, last: int, params: tinker.SamplingParams, sample: int
    ) -> types.SampledSequence:
        random = np.random.default_rng(None if params.seed is None else [params.seed, sample])
        stops = [token for token in params.stop or [] if isinstance(token, int)]
        tokens: list[int] = []
        logprobs: list[float] = []
        while len(tokens) < (params.max_tokens or 16) and not (tokens and tokens[-1] in stops):
            row = self.table[last]
            if params.temperature == 0:
                last = int(row.argmax())
            else:
                weights = np.exp((row - row.max()) / params.temperature)
                last = int(random.choice(len(row), p=weights / weights.sum()))
            tokens.append(last)
            logprobs.append(float(row[last]))
        reason: types.StopReason = "stop" if tokens and tokens[-1] in stops else "length"
        return types.SampledSequence(
            sequence_id=f"bigram-{sample}",
            tokens_np=np.array(tokens, dtype=np.int32),
            logprobs_np=np.array(logprobs, dtype=np.float32),
            stop_reason=reason,
        )


@define
class BigramTrainingClient:
    """Implements the part of `tinker.TrainingClient` that the loops use; `calls` logs them."""

    service: CheckpointFiles
    model: BigramModel
    model_id: str
    calls: list[str] = field(factory=list)

    def forward(
        self,
        data: Sequence[tinker.Datum],
        loss_fn: str,
        loss_fn_config: Mapping[str, float | str] | None = None,
    ) -> ReadyFuture[types.ForwardBackwardOutput]:
        """Compute losses and logprobs without a gradient."""
        self.calls.append("forward")
        return ReadyFuture(lambda: self._loss(data, loss_fn, loss_fn_config, backward=False))

    def forward_backward(
        self,
        data: Sequence[tinker.Datum],
        loss_fn: str,
        loss_fn_config: Mapping[str, float | str] | None = None,
    ) -> ReadyFuture[types.ForwardBackwardOutput]:
        """Compute losses and logprobs, and accumulate the gradient."""
        self.calls.append("forward_backward")
        return ReadyFuture(lambda: self._loss(data, loss_fn, loss_fn_config, backward=True))

    def _loss(
        self,
        data: Sequence[tinker.Datum],
        loss_fn: str,
        config: Mapping[str, float | str] | None,
        *,
        backward: bool,
    ) -> types.ForwardBackwardOutput:
        table = self.model.logprobs()
        outputs, total = [], 0.0
        for datum in data:
            tokens_N = np.asarray(datum.model_input.to_ints())
            inputs = {name: value.to_numpy() for name, value in datum.loss_fn_inputs.items()}
            targets_N = inputs.pop("target_tokens")
            logprobs_N = table[tokens_N, targets_N]
            loss, slope_N = loss_and_slope(loss_fn, logprobs_N, inputs, config or {})
            total += loss
            outputs.append({"logprobs": tinker.TensorData.from_numpy(logprobs_N.astype("f4"))})
            if backward:
                self.model.add_gradient(tokens_N, targets_N, slope_N)
        return types.ForwardBackwardOutput(
            loss_fn_output_type="ArrayRecord",
            loss_fn_outputs=outputs,
            metrics={"loss:sum": total},
        )

    def optim_step(self, optim_params: tinker.AdamParams) -> ReadyFuture[types.OptimStepResponse]:
        """Take one AdamW step; reports the gradient norm before clipping."""
        self.calls.append("optim_step")

        def call() -> types.OptimStepResponse:
            norm = float(np.sqrt((self.model.gradient**2).sum()))
            self.model.update(optim_params)
            return types.OptimStepResponse(metrics={"grad_norm": norm})

        return ReadyFuture(call)

    def save_state(
        self,
        name: str,
        ttl_seconds: int | None = None,
        overwrite: bool = False,
        user_metadata: dict[str, str] | None = None,
    ) -> ReadyFuture[types.SaveWeightsResponse]:
        """Save weights and optimizer state."""
        self.calls.append(f"save_state {name}")
        path = f"tinker://{self.model_id}/weights/{name}"

        def call() -> types.SaveWeightsResponse:
            if self.service.file(path).exists() and not overwrite:
                raise refused(f"{path} exists")
            self.model.save(self.service.file(path), optimizer=True)
            self.service.note(path, user_metadata)
            return types.SaveWeightsResponse(path=path)

        return ReadyFuture(call)

    def save_weights_for_sampler(
        self,
        name: str,
        ttl_seconds: int | None = None,
        user_metadata: dict[str, str] | None = None,
    ) -> ReadyFuture[types.SaveWeightsForSamplerResponse]:
        """Save weights for a sampling client."""
        self.calls.append(f"save_weights_for_sampler {name}")
        path = f"tinker://{self.model_id}/sampler_weights/{name}"
        self.model.save(self.service.file(path), optimizer=False)
        self.service.note(path, user_metadata)
        return ReadyFuture(lambda: types.SaveWeightsForSamplerResponse(path=path))

    def save_weights_and_get_sampling_client(self) -> ReadyFuture[BigramSamplingClient]:
        """A sampling client of the current weights."""
        self.calls.append("save_weights_and_get_sampling_client")
        table = self.model.logprobs()
        return ReadyFuture(lambda: BigramSamplingClient(table))
