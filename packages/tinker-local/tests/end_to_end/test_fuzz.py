"""No request, however malformed, gets a 5xx or stops the server.

A few hundred cases by default; `TINKER_LOCAL_FUZZ` sets the number for each kind of route.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import urllib.request
from collections.abc import Iterator
from itertools import count
from urllib.parse import quote

import numpy as np
import pytest
from echo_backend import EchoBackend
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from tinker_local.api import wire_pb2
from tinker_local.api.http import API
from tinker_local.api.routes import futures
from tinker_local.server import make_app
from tinker_local.service.service import Settings, make_service

CASES = settings(
    max_examples=int(os.environ.get("TINKER_LOCAL_FUZZ", "150")),
    suppress_health_check=list(HealthCheck),
)
NAMES = [
    "session_id", "model_id", "model_seq_id", "seq_id", "sampling_session_seq_id", "path", "kind",
    "sampling_session_id", "base_model", "model_path", "lora_config", "rank", "seed", "ttl_seconds",
    "optimizer", "overwrite", "adam_params", "learning_rate", "beta1", "prompt", "chunks", "tokens",
    "sampling_params", "num_samples", "max_tokens", "stop", "temperature", "request_id", "target",
    "prev_cursor", "retrieved_request_ids", "tinker_path", "source_path", "user_metadata", "reason",
    "display_name", "statuses", "limit", "target_prompt_logprobs", "data", "shape", "type",
    "sparse_crow_indices", "sparse_col_indices", "optimizer_config", "cloned_sampler_id",
]  # fmt: skip
PLACES = ["SESSION", "MODEL", "SAMPLER", "..", "a/b", "%2e%2e", "a\0", "weights", "x" * 300, "é"]


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[tuple[TestClient, dict[str, str]]]:
    """A server with a session, a model and a sampler, whose ids the cases use."""
    service = make_service(Settings(home=tmp_path_factory.mktemp("fuzz")), EchoBackend())
    with (
        pytest.MonkeyPatch.context() as patch,
        TestClient(make_app(service), base_url="http://127.0.0.1") as http,
    ):
        patch.setattr(futures, "HOLD_S", 0.01)  # a gap in the numbers waits for ever

        def post(path, **body):
            return http.post(f"{API}{path}", json=body).json()

        session = post("/create_session")["session_id"]
        names = {"session_id": session, "base_model": "local/tiny"}
        post(
            "/retrieve_future",
            request_id=post("/create_model", model_seq_id=0, **names)["request_id"],
        )
        post("/create_sampling_session", sampling_session_seq_id=0, **names)
        yield (
            http,
            {"SESSION": session, "MODEL": f"{session}:train:0", "SAMPLER": f"{session}:sample:0"},
        )


JSON_ROUTES = [
    ("POST", "/client/config"),
    ("POST", "/create_session"),
    ("POST", "/session_heartbeat"),
    ("POST", "/sessions/nobody/finish"),
    ("POST", "/sessions/search"),
    ("PUT", "/sessions/{}/project"),
    ("GET", "/sessions/{}"),
    ("GET", "/sessions/{}/trace_export"),
    ("POST", "/create_model"),
    ("POST", "/get_info"),
    ("POST", "/optim_step"),
    ("POST", "/save_weights"),
    ("POST", "/save_weights_for_sampler"),
    ("POST", "/save_weights_external"),
    ("POST", "/load_weights"),
    ("POST", "/create_sampling_session"),
    ("POST", "/join_sampling_session"),
    ("POST", "/asample"),
    ("POST", "/retrieve_future"),
    ("POST", "/retrieve_futures"),
    ("POST", "/cancel_future"),
    ("POST", "/weights_info"),
    ("POST", "/copy_weights"),
    ("GET", "/samplers/{}"),
    ("GET", "/training_runs/{}"),
    ("GET", "/training_runs/{}/checkpoints"),
    ("DELETE", "/training_runs/{}/checkpoints/{}/{}"),
    ("POST", "/training_runs/{}/checkpoints/{}/{}/publish"),
    ("PUT", "/training_runs/{}/checkpoints/{}/{}/ttl"),
    ("GET", "/training_runs/{}/checkpoints/{}/{}/external_weights_urls"),
    ("GET", "/downloads/{}/{}"),
]
words = st.sampled_from(PLACES) | st.text(max_size=8)
numbers = st.integers(-2, 3) | st.integers() | st.floats()
values = st.recursive(
    st.none() | st.booleans() | numbers | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=12,
)
bodies = st.dictionaries(st.sampled_from(NAMES), values, max_size=12)


def place(names, value):
    """The value with the ids of this server in place of their placeholders."""
    if isinstance(value, dict):
        return {key: place(names, item) for key, item in value.items()}
    if isinstance(value, list):
        return [place(names, item) for item in value]
    return names.get(value, value) if isinstance(value, str) else value


def check(http, answer):
    """The reply is no failure of the server, and neither is its outcome."""
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.json(), "the SDK takes an empty 400 for a proxy's fault"
    elif answer.headers.get("content-type") == "application/json":
        request_id = answer.json().get("request_id")
        if isinstance(request_id, str):
            outcome = http.post(f"{API}/retrieve_future", json={"request_id": request_id})
            assert outcome.status_code in (200, 404, 408, 410)
            if outcome.headers["content-type"] == "application/json":
                assert outcome.json().get("category") != "server", outcome.text


def still_serves(http, names):
    """The worker lives: a new model takes a step."""
    body = {"session_id": names["SESSION"], "base_model": "local/tiny", "model_seq_id": 1 << 40}
    made = http.post(f"{API}/create_model", json=body).json()["request_id"]
    for _ in range(500):
        outcome = http.post(f"{API}/retrieve_future", json={"request_id": made})
        if outcome.status_code == 200:
            break
    assert "model_id" in outcome.json(), outcome.text


def test_json_routes_withstand_any_body(served):
    http, names = served

    @CASES
    @given(st.sampled_from(JSON_ROUTES), st.lists(words, min_size=3, max_size=3), bodies)
    def send(where, places, body):
        method, path = where
        parts = [quote(names.get(part, part) or "-", safe="%") for part in places]
        content = json.dumps(place(names, body)).encode()
        check(http, http.request(method, API + path.format(*parts), content=content))

    send()
    still_serves(http, names)


def test_json_routes_withstand_bytes_that_are_no_json(served):
    http, names = served

    @CASES
    @given(st.sampled_from(JSON_ROUTES), st.binary(max_size=64) | st.text(max_size=64))
    def send(where, content):
        method, path = where
        check(http, http.request(method, API + path.replace("{}", "x"), content=content))

    send()
    still_serves(http, names)


raw = st.binary(max_size=24)
integers = st.integers(-3, 5) | st.integers(-(2**63), 2**63 - 1)
tensors = st.builds(
    lambda dtype, shape, dense, csr: wire_pb2.Tensor(
        dtype=dtype,
        shape=shape,
        **(
            {"dense": dense}
            if csr is None
            else {
                "sparse_csr": wire_pb2.SparseCsr(
                    values=dense,
                    crow_indices=np.array(csr[0], np.int64).tobytes(),
                    col_indices=np.array(csr[1], np.int64).tobytes(),
                )
            }
        ),
    ),
    st.integers(0, 5),
    st.lists(integers, max_size=3),
    raw,
    st.none() | st.tuples(st.lists(integers, max_size=4), st.lists(integers, max_size=4)),
)
chunks = st.builds(
    lambda kind, content: wire_pb2.Chunk(
        **{
            "encoded_text": {"encoded_text": wire_pb2.EncodedText(tokens=content)},
            "image": {"image": wire_pb2.Image(data=content)},
            "dmel": {"dmel": wire_pb2.Dmel(dmel=content)},
            "nothing": {},
        }[kind]
    ),
    st.sampled_from(["encoded_text", "image", "dmel", "nothing"]),
    raw,
)
inputs = st.dictionaries(st.sampled_from(["target_tokens", "weights", "x"]), tensors, max_size=3)


@st.composite
def loss_requests(draw):
    message = wire_pb2.ForwardBackwardRequest(
        model_id="MODEL",
        seq_id=draw(st.integers(-1, 2**31 - 1) | st.integers(1, 3)),
        loss_fn=draw(st.sampled_from(["cross_entropy", "ppo", ""])),
        forward_only=draw(st.booleans()),
    )
    for _ in range(draw(st.integers(0, 3))):
        datum = message.data.add()
        datum.model_input.extend(draw(st.lists(chunks, max_size=2)))
        for name, tensor in draw(inputs).items():
            datum.loss_fn_inputs[name].CopyFrom(tensor)
    if draw(st.booleans()):
        message.loss_fn_config_v2["beta"].SetInParent()
    return message


def test_the_protobuf_route_withstands_any_message(served):
    http, names = served
    headers = {"content-type": "application/x-protobuf"}
    serial = count(1)

    @CASES
    @given(loss_requests(), st.none() | st.tuples(st.integers(0, 400), raw))
    def send(message, damage):
        message.model_id = names["MODEL"]
        if message.seq_id in (1, 2, 3):
            message.seq_id = next(serial)  # the next in order, so that it is really computed
        content = message.SerializeToString()
        if damage is not None:
            at, junk = damage
            content = content[:at] + junk + content[at + len(junk) :]
        check(http, http.post(f"{API}/forward_backward", content=content, headers=headers))

    send()
    still_serves(http, names)


OPENAI_NAMES = [
    "messages", "prompt", "n", "temperature", "top_p", "top_k", "seed", "stop", "max_tokens",
    "logprobs", "top_logprobs", "stream", "stream_options", "echo", "tools", "tool_choice",
    "chat_template_kwargs", "logit_bias", "response_format", "best_of", "user", "x",
]  # fmt: skip
said = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "system", "assistant", "tool"]) | words,
        "content": st.text(max_size=8) | values,
    },
    optional={"tool_calls": values, "name": values},
)
chats = st.lists(said, min_size=1, max_size=3)
texts = st.text(min_size=1, max_size=12)
prompts = texts | st.lists(st.integers(-1, 300), min_size=1, max_size=6)
openai_bodies = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["local/tiny"] * 6 + ["MODEL", "x", ""]),
        "messages": st.one_of(chats, chats, values),
        "prompt": st.one_of(prompts, st.lists(texts, max_size=3), st.lists(prompts), values),
        "max_tokens": st.integers(-1, 3),  # a valid request shall be short
    },
    optional={
        "stream": st.booleans(),
        "n": st.integers(0, 3),
        "logprobs": st.booleans() | st.integers(0, 22),
        "temperature": st.floats() | st.integers(0, 2),
    },
)


def test_openai_routes_withstand_any_body(engine):
    host, port = engine.base_url.removeprefix("http://").split(":")
    headers = {"authorization": f"Bearer {engine.api_key}"}

    @CASES
    @given(
        st.sampled_from(["messages", "prompt"]),
        openai_bodies,
        st.dictionaries(st.sampled_from(OPENAI_NAMES), values, max_size=1),
    )
    def send(kind, body, more):
        path = {"messages": "/v1/chat/completions", "prompt": "/v1/completions"}[kind]
        other = {"messages": "prompt", "prompt": "messages"}[kind]
        body = {name: value for name, value in (more | body).items() if name != other}
        connection = http.client.HTTPConnection(host, int(port), timeout=60)
        connection.request("POST", path, json.dumps(body).encode(), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        assert answer.status < 500, text
        if answer.status >= 400:
            assert json.loads(text)["error"]["message"], "no client shows what has no message"
        assert "server_error" not in text

    send()
    with urllib.request.urlopen(f"{engine.base_url}{API}/healthz") as response:
        assert response.status == 200


def test_a_server_withstands_connections_that_speak_no_http(engine):
    host, port = engine.base_url.removeprefix("http://").split(":")

    @CASES
    @given(st.binary(min_size=1, max_size=200))
    def send(content):
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(content)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(4096)
        assert not answer.startswith(b"HTTP/1.1 5")

    send()
    with urllib.request.urlopen(f"{engine.base_url}{API}/healthz") as response:
        assert response.status == 200
