"""A training client that records its calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import tinker
from attrs import define
from tinker import types

from tinker_conformance.client.batch import Batch
from tinker_conformance.client.shown import Reply, Shown

if TYPE_CHECKING:
    from tinker_conformance.client.server import Server

LOSS = '$.metrics["loss:sum"]'
LOGPROBS = '$.loss_fn_outputs[{index}]["logprobs"].to_numpy()'
ALL_LOGPROBS = 'np.concatenate([o["logprobs"].to_numpy().reshape(-1) for o in $.loss_fn_outputs])'


@define(eq=False)
class Call:
    """A submitted call."""

    future: Any
    variable: str
    server: Server
    then: Callable[[Any], object] = lambda reply: None
    """Called with the SDK's reply."""

    def result(self) -> Reply:
        """Wait for the reply; `TimeoutError` when it does not come in time."""
        value = self.future.result(timeout=self.server.timeout)
        self.then(value)
        return Reply(value, self.variable, self.server.script)


@define(eq=False)
class Trainer:
    """A LoRA in training."""

    client: tinker.TrainingClient
    variable: str
    server: Server
    submitted: int = 0
    """The number of submitted operations, which is the `seq_id` of the last."""

    @property
    def id(self) -> Shown:
        """The model's id."""
        expression = f"{self.variable}.model_id"
        needs = frozenset({self.variable})
        return Shown(self.client.model_id, expression, needs, self.server.script)

    def forward(
        self,
        batch: Batch,
        loss: str = "cross_entropy",
        config: Mapping[str, float] | None = None,
    ) -> Call:
        """A loss without a gradient."""
        return self._loss("forward", batch, loss, config)

    def forward_backward(
        self,
        batch: Batch,
        loss: str = "cross_entropy",
        config: Mapping[str, float] | None = None,
    ) -> Call:
        """A loss, with its gradient added to what waits for the next step."""
        return self._loss("forward_backward", batch, loss, config)

    def _loss(
        self, method: str, batch: Batch, loss: str, config: Mapping[str, float] | None
    ) -> Call:
        data = self.server.data(batch)
        arguments = f'{data}, "{loss}"' + ("" if config is None else f", {dict(config)!r}")
        changes = method == "forward_backward"
        submit: Callable[..., Any] = getattr(self.client, method)
        return self._record(
            f"{method}({arguments})",
            "result",
            lambda: submit([each.to_sdk() for each in batch], loss, config),
            needs={data},
            changes=changes,
        )

    def step(self, params: types.AdamParams) -> Call:
        """One optimizer step."""
        given = params.model_dump(exclude_unset=True)
        arguments = ", ".join(f"{name}={value!r}" for name, value in given.items())
        return self._record(
            f"optim_step(types.AdamParams({arguments}))",
            "step",
            lambda: self.client.optim_step(params),
        )

    def save(self, method: str, **arguments: Any) -> Call:
        """`save_state`, `save_weights_for_sampler` or `save_weights_external`."""
        given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        submit: Callable[..., Any] = getattr(self.client, method)
        call = self._record(f"{method}({given})", "saved", lambda: submit(**arguments))
        call.then = lambda reply: self.server.saved(reply.path)
        return call

    def save_state(self, name: str) -> Shown:
        """The path of a checkpoint with the optimizer's state."""
        return self.save("save_state", name=name).result().show("$.path")

    def load(self, method: str, path: Shown) -> Call:
        """`load_state` or `load_state_with_optimizer`, which the SDK has deprecated."""
        submit: Callable[..., Any] = getattr(self.client, method)
        return self._record(
            f"{method}({path.expression})",
            "loaded",
            lambda: submit(path.value),
            needs=path.needs,
        )

    def train(self, batch: Batch, params: types.AdamParams, loss: str = "cross_entropy") -> Call:
        """Submit a gradient and a step; the call is the loss."""
        call = self.forward_backward(batch, loss)
        self.step(params)
        return call

    def wait_for(self, call: Call) -> None:
        """Wait for a call, in the script too, as is needed before a request without the SDK."""
        call.result()
        wait = f"{call.variable}.result()"
        self.server.script.add(wait, needs={call.variable}, changes=self.variable)

    def logprobs(self, batch: Batch) -> Shown:
        """The logprobs of all targets, concatenated."""
        return self.forward(batch).result().show(ALL_LOGPROBS)

    def _record(
        self,
        call: str,
        stem: str,
        submit: Callable[[], Any],
        *,
        needs: frozenset[str] | set[str] = frozenset(),
        changes: bool = True,
    ) -> Call:
        script = self.server.script
        variable = script.variable(stem)
        script.add(
            f"{variable} = {self.variable}.{call}",
            makes=variable,
            needs={self.variable, *needs},
            changes=self.variable if changes else None,
        )
        self.submitted += 1
        return Call(submit(), variable, self.server)
