"""A connection to the server that is checked: one session, whose calls are recorded."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from contextlib import suppress
from typing import Any

import tinker
from attrs import define, field

from tinker_conformance.client.batch import Batch, source
from tinker_conformance.client.known import Known
from tinker_conformance.client.sampler import Sampler
from tinker_conformance.client.script import Script
from tinker_conformance.client.shown import Shown
from tinker_conformance.client.trainer import Call, Trainer
from tinker_conformance.target import Target, Tolerance

HEADER = """\
import numpy as np
import tinker
from tinker import types

service = tinker.ServiceClient(base_url="{base_url}")  # reads the key from TINKER_API_KEY"""

POST = """\
import json, os, urllib.error, urllib.request
def {name}(path, body):
    headers = {{"Content-Type": "application/json", "X-API-Key": os.environ["TINKER_API_KEY"]}}
    url = service.holder._base_url.rstrip("/") + "/api/v1" + path
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    try:
        answer = urllib.request.urlopen(request)
    except urllib.error.HTTPError as error:
        answer = error
    return answer.status, answer.read().decode()"""


@define(eq=False)
class Server:
    """The server, as a check sees it."""

    target: Target
    limit: float
    """Seconds that all calls of the check may take together."""
    known: Known = field(factory=Known)
    notes: dict[str, str] = field(factory=dict, init=False)
    """Observations that are reported and not judged."""
    script: Script = field(init=False)
    service: tinker.ServiceClient = field(init=False)
    _deadline: float = field(init=False)
    _post: str | None = field(default=None, init=False)
    _saved: list[str] = field(factory=list, init=False)
    _data: dict[int, tuple[Batch, str]] = field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        self._deadline = time.monotonic() + self.limit
        self.script = Script(HEADER.format(base_url=self.target.base_url))
        self.service = tinker.ServiceClient(
            base_url=self.target.base_url, api_key=self.target.api_key
        )

    @property
    def tolerance(self) -> Tolerance:
        return self.target.tolerance

    @property
    def timeout(self) -> float:
        """Seconds that the next call may take."""
        return max(0.1, self._deadline - time.monotonic())

    def close(self) -> None:
        """Delete what was saved and end the session, so that the server can free its models."""
        rest = tinker.RestClient(base_url=self.target.base_url, api_key=self.target.api_key)
        with suppress(Exception):  # tidying up is no part of what is checked
            for path in self._saved:
                rest.delete_checkpoint_from_tinker_path(path).result(timeout=self.timeout)
        self.service.close("success")

    def saved(self, path: str) -> None:
        """Delete this checkpoint at the end."""
        self._saved.append(path)

    def data(self, batch: Batch) -> str:
        """The variable that holds a batch in the script."""
        if id(batch) not in self._data:
            variable = self.script.variable("data")
            self.script.add(f"{variable} = {source(batch)}", makes=variable)
            self._data[id(batch)] = (batch, variable)  # the batch is kept so that its id stays its
        return self._data[id(batch)][1]

    def trainer(self, rank: int = 4, seed: int | None = 1, **options: Any) -> Trainer:
        """A new LoRA."""
        arguments = {"base_model": self.target.model, "rank": rank, "seed": seed, **options}
        given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        variable = self._new_model(f"create_lora_training_client({given})", frozenset())
        future = self.service.create_lora_training_client(**arguments)
        return Trainer(future.result(timeout=self.timeout), variable, self)

    def trainer_from(self, path: Shown, *, optimizer: bool) -> Trainer:
        """A new LoRA with a checkpoint's weights, and its optimizer state if asked."""
        method = "create_training_client_from_state"
        method += "_with_optimizer" if optimizer else ""
        variable = self._new_model(f"{method}({path.expression})", path.needs)
        future = getattr(self.service, method)(path.value)
        return Trainer(future.result(timeout=self.timeout), variable, self)

    def _new_model(self, call: str, needs: frozenset[str]) -> str:
        variable = self.script.variable("model")
        text = f"{variable} = service.{call}.result()"
        self.script.add(text, makes=variable, needs=needs)
        return variable

    def sampler(self, path: Shown | None = None) -> Sampler:
        """A sampler of saved weights, or of the base model."""
        variable = self.script.variable("sampler")
        expression = f'base_model="{self.target.model}"'
        arguments: dict[str, Any] = {"base_model": self.target.model}
        if path is not None:
            expression, arguments = f"model_path={path.expression}", {"model_path": path.value}
        self.script.add(
            f"{variable} = service.create_sampling_client({expression}).result()",
            makes=variable,
            needs=frozenset() if path is None else path.needs,
        )
        future = self.service.create_sampling_client(**arguments)
        return Sampler(future.result(timeout=self.timeout), variable, self)

    def snapshot(self, trainer: Trainer, kind: str = "snapshot") -> Sampler:
        """A sampler of a trainer's present weights."""
        variable = self.script.variable("sampler")
        method = "save_weights_and_get_sampling_client"
        self.script.add(
            f'{variable} = {trainer.variable}.{method}(kind="{kind}").result()',
            makes=variable,
            needs={trainer.variable},
            changes=trainer.variable,
        )
        trainer.submitted += 1
        future: Any = trainer.client.save_weights_and_get_sampling_client(kind=kind)  # type: ignore[arg-type]
        return Sampler(future.result(timeout=self.timeout), variable, self)

    def rest(self, method: str, *arguments: Any, **options: Any) -> Shown:
        """One call of the REST client."""
        client = f'tinker.RestClient(base_url="{self.target.base_url}")'
        rest = tinker.RestClient(base_url=self.target.base_url, api_key=self.target.api_key)
        call = self.call(client, getattr(rest, method), method, *arguments, **options)
        return call.result().show("$")

    def create(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of the service client and return the SDK's object."""
        made = getattr(self.service, method)
        return self.call("service", made, method, *arguments, **options).result().value

    def call(self, owner: str, bound: Any, method: str, *arguments: Any, **options: Any) -> Call:
        """Any method that returns a future; arguments may be values that the server returned."""
        variable = self.script.variable("answer")
        given = [a.expression if isinstance(a, Shown) else repr(a) for a in arguments]
        given += [f"{name}={_source(value)}" for name, value in options.items()]
        needs = {name for a in arguments if isinstance(a, Shown) for name in a.needs}
        text = f"{variable} = {owner}.{method}({', '.join(given)})"
        self.script.add(text, makes=variable, needs={owner, *needs})
        values = [a.value if isinstance(a, Shown) else a for a in arguments]
        return Call(bound(*values, **options), variable, self)

    def post(self, path: str, body: dict[str, Any], changes: str | None = None) -> Shown:
        """A request without the SDK: status and body of the answer; `changes` names a variable."""
        if self._post is None:
            self._post = self.script.variable("post")
            self.script.add(POST.format(name=self._post), makes=self._post)
        variable = self.script.variable("answer")
        fields = ", ".join(
            f"{name!r}: {value.expression if isinstance(value, Shown) else repr(value)}"
            for name, value in body.items()
        )
        shown = [value for value in body.values() if isinstance(value, Shown)]
        self.script.add(
            f"{variable} = {self._post}({path!r}, {{{fields}}})",
            makes=variable,
            needs={self._post}.union(*(value.needs for value in shown)),
            changes=changes,
        )
        body = {k: v.value if isinstance(v, Shown) else v for k, v in body.items()}
        request = urllib.request.Request(
            f"{self.target.base_url.rstrip('/')}/api/v1{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "X-API-Key": self.target.api_key},
        )
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as response:
                answer = response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                answer = error.code, error.read().decode()
        return Shown(answer, variable, frozenset({variable}), self.script)


def _source(value: Any) -> str:
    text = repr(value)
    return f"types.{text}" if type(value).__module__.startswith("tinker.") else text
