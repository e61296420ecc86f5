"""Requests to the routes, as a client sends them that is not the SDK."""

from __future__ import annotations

import numpy as np

from tinker_local.api import wire_pb2

TINY = "local/tiny"


def post(http, path, **body):
    return http.post(path, json=body)


def outcome(http, answer):
    """The outcome of an accepted request."""
    assert answer.status_code == 200, answer.text
    return post(http, "/retrieve_future", request_id=answer.json()["request_id"])


def optim_step(http, model, number, rate=1.0):
    adam = {"learning_rate": rate}
    return post(http, "/optim_step", model_id=model, seq_id=number, adam_params=adam)


def sample(http, sampler, number, token=5, **fields):
    prompt = {"chunks": [{"type": "encoded_text", "tokens": [token]}]}
    return post(
        http,
        "/asample",
        sampling_session_id=sampler,
        seq_id=number,
        prompt=prompt,
        sampling_params={"max_tokens": 3},
        **fields,
    )


def first_logprob(http, answer):
    """The first logprob of a sample: minus the weight of the echo adapter."""
    message = wire_pb2.SampleResponse()
    message.ParseFromString(outcome(http, answer).content)
    return np.frombuffer(message.sequences[0].logprobs, np.float32)[0]


def forward_backward(http, model, number, loss_fn="cross_entropy"):
    message = wire_pb2.ForwardBackwardRequest(model_id=model, seq_id=number, loss_fn=loss_fn)
    datum = message.data.add()
    datum.model_input.add().encoded_text.tokens = np.array([1, 2], np.int32).tobytes()
    datum.loss_fn_inputs["target_tokens"].dense = np.array([2, 3], np.int64).tobytes()
    datum.loss_fn_inputs["target_tokens"].dtype = wire_pb2.DTYPE_INT64
    return http.post(
        "/forward_backward",
        content=message.SerializeToString(),
        headers={"content-type": "application/x-protobuf"},
    )
