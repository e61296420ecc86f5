"""The SDK's own codec is the other end: what it writes we read, what we write it reads."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tinker import types
from tinker.proto.request_conv import forward_backward_request_to_proto
from tinker.proto.response_conv import (
    deserialize_forward_backward_output,
    deserialize_sample_response,
)
from tinker.types.forward_backward_request import ForwardBackwardRequest

from tinker_local.api import wire_pb2
from tinker_local.api.protobuf_codec import (
    CsrLayout,
    decode_loss_request,
    decode_tensor,
    encode_loss_result,
    encode_sample_result,
    parse_loss_request,
)
from tinker_local.errors import RequestError
from tinker_local.request_types import LossResult, SampledSequence, SampleResult, TopK


def sent(data, loss_fn="cross_entropy", config=None, **fields):
    """The bytes of a forward_backward call of the SDK."""
    request = ForwardBackwardRequest(
        forward_backward_input=types.ForwardBackwardInput(
            data=data, loss_fn=loss_fn, loss_fn_config=config
        ),
        model_id="session-1:train:0",
        seq_id=7,
    )
    message = forward_backward_request_to_proto(request, **fields)
    return message.SerializeToString()


def decode(body):
    return decode_loss_request(parse_loss_request(body))


def datum(tokens, **inputs):
    return types.Datum(model_input=types.ModelInput.from_ints(tokens), loss_fn_inputs=inputs)


def test_tokens_and_inputs_of_a_datum_arrive_as_they_were_sent():
    body = sent([datum([5, 6, 7], target_tokens=[6, 7, 8], weights=[0.0, 0.5, -2.0])])
    request = decode(body)
    assert request.loss_fn == "cross_entropy"
    assert not request.forward_only
    assert request.data[0].tokens.tolist() == [5, 6, 7]
    assert request.data[0].inputs["target_tokens"].tolist() == [6, 7, 8]
    assert request.data[0].inputs["target_tokens"].dtype == np.int64
    assert request.data[0].inputs["weights"].tolist() == [0.0, 0.5, -2.0]
    assert request.data[0].inputs["weights"].dtype == np.float32


def test_numbers_and_text_of_a_loss_config_arrive():
    request = decode(sent([datum([1], target_tokens=[2])], config={"beta": 0.25, "mode": "soft"}))
    assert request.config == {"beta": 0.25, "mode": "soft"}


def test_two_dimensional_targets_keep_their_shape():
    targets = np.arange(6).reshape(3, 2)
    request = decode(sent([datum([1, 2, 3], target_tokens=types.TensorData.from_numpy(targets))]))
    assert request.data[0].inputs["target_tokens"].tolist() == targets.tolist()


@given(
    arrays.arrays(
        np.int64,
        arrays.array_shapes(min_dims=2, max_dims=2, max_side=6),
        elements=st.sampled_from([0, 0, 0, 3, 9]),
    )
)
def test_a_sparse_tensor_is_the_dense_one_it_stands_for(dense):
    tensor = types.TensorData.from_torch_sparse(torch.from_numpy(dense))
    request = decode(sent([datum([1], target_tokens=tensor)]))
    assert request.data[0].inputs["target_tokens"].tolist() == dense.tolist()


def test_bfloat16_is_widened_to_the_same_numbers():
    numbers = torch.tensor([1.5, -2.0, 3.140625], dtype=torch.bfloat16)
    message = wire_pb2.Tensor(dtype=4, shape=[3], dense=numbers.view(torch.int16).numpy().tobytes())
    assert decode_tensor(message, "x").tolist() == numbers.float().tolist()


def test_int32_is_widened_to_int64():
    message = wire_pb2.Tensor(dtype=3, dense=np.array([-1, 2], np.int32).tobytes())
    assert decode_tensor(message, "x").dtype == np.int64
    assert decode_tensor(message, "x").tolist() == [-1, 2]


def test_an_image_is_refused_by_name():
    image = types.ImageChunk(data=b"x", format="png", expected_tokens=3)
    mixed = types.Datum(
        model_input=types.ModelInput(chunks=[image]), loss_fn_inputs={"target_tokens": [1]}
    )
    with pytest.raises(RequestError, match=r"datum 0: .* chunk type 'image'"):
        decode(sent([mixed]))


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"dtype": 1, "dense": b"123"}, "3 bytes are not whole items of 4"),
        ({"dtype": 9, "dense": b"1234"}, "unknown dtype 9"),
        ({"dtype": 1, "dense": b"1234", "shape": [2]}, "1 values do not fill shape"),
        ({"dtype": 1, "dense": b"", "shape": [-1, 0]}, "do not fill shape"),
        ({"dtype": 1, "dense": b"1234", "shape": [2**62, 2**62]}, "do not fill shape"),
    ],
)
def test_a_tensor_that_does_not_fit_its_description_is_refused(fields, complaint):
    with pytest.raises(RequestError, match=complaint):
        decode_tensor(wire_pb2.Tensor(**fields), "datum 3, weights")


@pytest.mark.parametrize(
    ("crow", "columns", "shape", "complaint"),
    [
        ([0, 1], [0], [2], "2-D shape"),
        ([0, 1], [0], [2, 3], "do not fit"),
        ([0, 2, 1], [0], [2, 3], "outside"),
        ([0, 1, 1], [3], [2, 3], "outside"),
        ([0, 1, 1], [-1], [2, 3], "outside"),
        ([0, 1, 1], [0], [2, 2**60], "limit"),
        ([1, 1, 1], [0], [2, 3], "do not fit"),
        ([0, 0, 0], [0], [2, 3], "do not fit"),
    ],
)
def test_a_csr_index_cannot_leave_its_tensor(crow, columns, shape, complaint):
    message = wire_pb2.Tensor(dtype=1, shape=shape)
    message.sparse_csr.values = np.ones(1, np.float32).tobytes()
    message.sparse_csr.crow_indices = np.array(crow, np.int64).tobytes()
    message.sparse_csr.col_indices = np.array(columns, np.int64).tobytes()
    with pytest.raises(RequestError, match=complaint):
        decode_tensor(message, "datum 0, weights")


def test_bytes_that_are_no_protobuf_are_refused():
    with pytest.raises(RequestError, match="not a protobuf ForwardBackwardRequest"):
        parse_loss_request(b"\xff\xff\xff")


def test_the_sdk_reads_ragged_and_mixed_outputs_in_order():
    shapes = [(3,), (5,), (2, 4), (1,), (0,)]
    sizes = [int(np.prod(shape)) for shape in shapes]
    outputs = tuple(
        {"logprobs": -np.arange(size, dtype=np.float32).reshape(shape)}
        for size, shape in zip(sizes, shapes, strict=True)
    )
    body = encode_loss_result(LossResult(outputs=outputs, metrics={"loss:sum": 1.5}))
    read = deserialize_forward_backward_output(body)
    assert read.metrics == {"loss:sum": 1.5}
    for expected, got in zip(outputs, read.loss_fn_outputs, strict=True):
        np.testing.assert_array_equal(got["logprobs"].to_numpy(), expected["logprobs"])


def test_the_sdk_reads_every_part_of_a_sample_result():
    sequence = SampledSequence(
        tokens=np.array([4, 5], np.int32),
        logprobs=np.array([-0.5, -1.5], np.float32),
        stop_reason="stop",
        topk=TopK(
            ids=np.array([[4, 9], [5, 8]], np.int32),
            logprobs=np.array([[-0.5, -1.0], [-1.5, -2.0]], np.float32),
        ),
    )
    result = SampleResult(
        sequences=(sequence,),
        prompt_logprobs=np.array([np.nan, -2.0], np.float32),
        topk_prompt=TopK(
            ids=np.array([[0], [7]], np.int32), logprobs=np.array([[-99999.0], [-0.25]], np.float32)
        ),
        target_prompt_logprobs=np.array([[-3.0, 0.0]], np.float32),
        alt_tokens=np.array([[6, 7]], np.int32),
        alt_logprobs=np.array([[-1.0, -2.0]], np.float32),
        cached_tokens=1,
    )
    read = deserialize_sample_response(encode_sample_result(result))
    assert read.sequences[0].tokens == [4, 5]
    assert read.sequences[0].logprobs == [-0.5, -1.5]
    assert read.sequences[0].stop_reason == "stop"
    assert read.sequences[0].topk_logprobs == [[(4, -0.5), (9, -1.0)], [(5, -1.5), (8, -2.0)]]
    assert read.prompt_logprobs == [None, -2.0]
    assert read.topk_prompt_logprobs == [None, [(7, -0.25)]]
    assert read.target_prompt_logprobs.to_numpy().tolist() == [[-3.0, 0.0]]
    assert read.prompt_alt_tokens.tokens.to_numpy().tolist() == [[6, 7]]
    assert read.prompt_cache_hit_tokens == 1


def test_sparse_targets_are_answered_in_their_own_layout():
    layout = CsrLayout(crow=np.array([0, 1, 3]), columns=np.array([1, 0, 2]))
    logprobs = np.array([[9.0, -1.0, 9.0], [-2.0, 9.0, -3.0]], np.float32)
    result = SampleResult(sequences=(), target_prompt_logprobs=logprobs)
    read = deserialize_sample_response(encode_sample_result(result, layout))
    assert read.target_prompt_logprobs.sparse_crow_indices == [0, 1, 3]
    assert read.target_prompt_logprobs.sparse_col_indices == [1, 0, 2]
    assert list(read.target_prompt_logprobs.data) == [-1.0, -2.0, -3.0]
