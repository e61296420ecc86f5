"""A backend that needs no model: it echoes the last token of a prompt and notes what it did."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from attrs import define, field

from tinker_local.errors import RequestError
from tinker_local.request_types import (
    AdamParams,
    LoraSpec,
    LossRequest,
    LossResult,
    SampledSequence,
    SampledToken,
    SampleRequest,
    SampleResult,
)

LORA_A = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"


@define(eq=False)
class EchoBase:
    """A loaded model."""

    name: str
    architecture: str = "echo"
    context_length: int = 64


@define(eq=False)
class EchoTrainer:
    """One weight: losses are its size, an optimizer step adds the learning rate to it."""

    events: list[str]
    weight: float = 0.0
    steps: int = 0
    pause_s: float = 0.0
    layers: dict[str, int] = field(factory=lambda: {"attn": 1})
    target_parameters: tuple[str, ...] = ()

    def loss(self, request: LossRequest) -> LossResult:
        time.sleep(self.pause_s)
        self.events.append(f"loss {len(request.data)}")
        if request.loss_fn == "bug":
            raise ZeroDivisionError("a bug in the backend")
        if request.loss_fn != "cross_entropy":
            raise RequestError(f"no loss {request.loss_fn!r}")
        if any("target_tokens" not in datum.inputs for datum in request.data):
            raise RequestError("a datum has no target_tokens")
        outputs = tuple(
            {"logprobs": np.full(datum.inputs["target_tokens"].shape, self.weight, np.float32)}
            for datum in request.data
        )
        return LossResult(outputs=outputs, metrics={"loss:sum": self.weight})

    def optim_step(self, params: AdamParams) -> dict[str, float]:
        self.events.append("step")
        self.weight += params.learning_rate
        self.steps += 1
        return {"weight": self.weight, "bad": float("nan")}

    def adapter(self) -> float:
        return self.weight

    def state(self, *, optimizer: bool) -> dict[str, torch.Tensor]:
        state = {LORA_A: torch.tensor([[self.weight]])}
        return {**state, "optimizer.step": torch.tensor(self.steps)} if optimizer else state

    def load_state(self, tensors: dict[str, torch.Tensor], *, optimizer: bool) -> None:
        self.weight = float(tensors[LORA_A])
        self.steps = int(tensors["optimizer.step"]) if optimizer else 0


@define(eq=False)
class EchoGroup:
    """One sample request."""

    request: SampleRequest
    adapter: float | None
    tokens: list[int] = field(factory=list)


@define(eq=False)
class EchoSampler:
    """Continues every prompt with its last token, one a step; logprobs are minus the adapter."""

    events: list[str]
    open: list[EchoGroup] = field(factory=list)

    @property
    def is_idle(self) -> bool:
        return not self.open

    def add(self, request: SampleRequest, adapter: float | None) -> EchoGroup:
        if request.prompt[0] == 666:
            raise RequestError("token 666 is not in the vocabulary")
        self.open.append(EchoGroup(request, adapter))
        return self.open[-1]

    def cancel(self, group: EchoGroup) -> None:
        self.events.append("cancel")
        self.open.remove(group)

    def step(self) -> list[tuple[EchoGroup, SampleResult | RequestError]]:
        self.events.append(f"decode {len(self.open)}")
        done: list[tuple[EchoGroup, SampleResult | RequestError]] = []
        for group in self.open:
            if group.request.prompt[0] == 13:
                raise ZeroDivisionError("a bug in the sampler")
            group.tokens.append(int(group.request.prompt[-1]))
            if group.request.on_token is not None:
                self._stream(group)
            if len(group.tokens) >= (group.request.max_tokens or 4):
                done.append((group, self._result(group)))
        self.open = [group for group in self.open if group not in [one for one, _ in done]]
        return done

    def _stream(self, group: EchoGroup) -> None:
        time.sleep(0.001)  # so that an endless stream does not drown its reader
        token = SampledToken(
            sample=0, token=group.tokens[-1], logprob=0.0, top_logprobs=(), stop_reason=None
        )
        group.request.on_token(token)

    def _result(self, group: EchoGroup) -> SampleResult:
        logprobs = np.full(len(group.tokens), -(group.adapter or 0.0), np.float32)
        tokens = np.array(group.tokens, np.int32)
        sequence = SampledSequence(tokens=tokens, logprobs=logprobs, stop_reason="length")
        return SampleResult(sequences=(sequence,) * group.request.num_samples)


@define(eq=False)
class EchoBackend:
    """Records the order of all calls in `events`."""

    events: list[str] = field(factory=list)
    trainers: list[EchoTrainer] = field(factory=list)
    samplers: list[EchoSampler] = field(factory=list)

    def warm_up(self) -> None:
        pass

    def load_model(self, folder: Path, name: str) -> EchoBase:
        self.events.append(f"load {name}")
        return EchoBase(name)

    def make_trainer(self, base: EchoBase, spec: LoraSpec) -> EchoTrainer:
        self.trainers.append(EchoTrainer(self.events))
        return self.trainers[-1]

    def make_sampler(self, base: EchoBase) -> EchoSampler:
        self.samplers.append(EchoSampler(self.events))
        return self.samplers[-1]

    def load_adapter(
        self, base: EchoBase, spec: LoraSpec, tensors: dict[str, torch.Tensor]
    ) -> float:
        return float(tensors[LORA_A])
