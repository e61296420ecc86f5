"""Protobuf messages <-> requests and results.

Arrays travel as raw little-endian bytes. A RequestError names the datum and the field.
"""

from __future__ import annotations

import math
from itertools import groupby
from typing import Any

import numpy as np
from attrs import frozen
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from tinker_local.api import wire_pb2
from tinker_local.errors import RequestError
from tinker_local.request_types import Datum, LossRequest, LossResult, SampleResult, TopK

ITEM_TYPES: dict[int, str] = {
    wire_pb2.DTYPE_FLOAT32: "<f4",
    wire_pb2.DTYPE_INT64: "<i8",
    wire_pb2.DTYPE_INT32: "<i4",
    wire_pb2.DTYPE_BFLOAT16: "<u2",
}
STOP_REASONS = {"stop": wire_pb2.STOP_REASON_STOP, "length": wire_pb2.STOP_REASON_LENGTH}
MAX_TENSOR_ELEMENTS = 1 << 26
"""The limit of a dense tensor, so that a few bytes of CSR cannot claim all memory."""


@frozen(kw_only=True, eq=False)
class CsrLayout:
    """The listed cells of a sparse matrix, so that a reply can list the same cells."""

    crow: NDArray[np.int64]
    columns: NDArray[np.int64]

    @property
    def rows(self) -> NDArray[np.int64]:
        """The row of every listed cell, shape (listed,)."""
        return np.repeat(np.arange(len(self.crow) - 1), np.diff(self.crow))


def check_csr(layout: CsrLayout, shape: tuple[int, ...], listed: int, place: str) -> None:
    """RequestError unless the layout lists `listed` cells of a matrix of this shape."""
    if len(shape) != 2 or min(shape) < 0:
        raise RequestError(f"{place}: a sparse tensor needs a 2-D shape, not {list(shape)}")
    if math.prod(shape) > MAX_TENSOR_ELEMENTS:
        raise RequestError(
            f"{place}: shape {list(shape)} exceeds the limit of {MAX_TENSOR_ELEMENTS} elements"
        )
    crow, columns = layout.crow, layout.columns
    if len(crow) != shape[0] + 1 or crow[0] != 0 or crow[-1] != listed or len(columns) != listed:
        raise RequestError(
            f"{place}: CSR indices do not fit: {len(crow)} row pointers, {len(columns)} columns, "
            f"{listed} values, shape {list(shape)}"
        )
    if (np.diff(crow) < 0).any() or (columns < 0).any() or (columns >= shape[1]).any():
        raise RequestError(f"{place}: a CSR index is outside shape {list(shape)}")


def parse_loss_request(body: bytes) -> wire_pb2.ForwardBackwardRequest:
    """The message of a forward_backward request. `decode_loss_request` reads its tensors."""
    message = wire_pb2.ForwardBackwardRequest()
    try:
        message.ParseFromString(body)
    except DecodeError as error:
        raise RequestError(f"the body is not a protobuf ForwardBackwardRequest: {error}") from error
    return message


def decode_loss_request(message: wire_pb2.ForwardBackwardRequest) -> LossRequest:
    """The request in a message."""
    data = tuple(_decode_datum(row, f"datum {index}") for index, row in enumerate(message.data))
    config: dict[str, float | str] = dict(message.loss_fn_config)
    for name, value in message.loss_fn_config_v2.items():
        kind = value.WhichOneof("value")
        if kind is None:
            raise RequestError(f"loss_fn_config {name!r} has no value")
        config[name] = getattr(value, kind)
    return LossRequest(
        data=data, loss_fn=message.loss_fn, config=config, forward_only=message.forward_only
    )


def _decode_datum(message: wire_pb2.Datum, place: str) -> Datum:
    chunks = [_decode_chunk(chunk, place) for chunk in message.model_input]
    tokens = np.concatenate(chunks) if chunks else np.zeros(0, np.int64)
    inputs = {
        name: decode_tensor(tensor, f"{place}, {name}")
        for name, tensor in message.loss_fn_inputs.items()
    }
    return Datum(tokens=tokens, inputs=inputs)


def _decode_chunk(chunk: wire_pb2.Chunk, place: str) -> NDArray[np.int64]:
    kind = chunk.WhichOneof("chunk")
    if kind != "encoded_text":
        raise RequestError(f"{place}: unsupported chunk type {kind!r}: this engine reads text only")
    tokens = _decode_array(chunk.encoded_text.tokens, wire_pb2.DTYPE_INT32, f"{place}, tokens")
    return tokens.astype(np.int64)


def _decode_array(raw: bytes, dtype: int, place: str) -> NDArray[Any]:
    """Shape (n,), widened to float32 or int64."""
    if dtype not in ITEM_TYPES:
        raise RequestError(f"{place}: unknown dtype {dtype}")
    item = np.dtype(ITEM_TYPES[dtype])
    if len(raw) % item.itemsize:
        raise RequestError(f"{place}: {len(raw)} bytes are not whole items of {item.itemsize}")
    values = np.frombuffer(raw, item)
    if dtype == wire_pb2.DTYPE_BFLOAT16:
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.int64) if dtype == wire_pb2.DTYPE_INT32 else values


def decode_tensor(message: wire_pb2.Tensor, place: str) -> NDArray[Any]:
    """A dense array of the message's shape. CSR cells that are not listed are 0."""
    shape = tuple(message.shape)
    if message.WhichOneof("encoding") == "sparse_csr":
        return _decode_csr(message.sparse_csr, message.dtype, shape, place)
    values = _decode_array(message.dense, message.dtype, place)
    if not shape:
        return values
    if min(shape) < 0 or math.prod(shape) != len(values):
        raise RequestError(f"{place}: {len(values)} values do not fill shape {list(shape)}")
    return values.reshape(shape)


def _decode_csr(
    csr: wire_pb2.SparseCsr, dtype: int, shape: tuple[int, ...], place: str
) -> NDArray[Any]:
    values = _decode_array(csr.values, dtype, place)
    layout = CsrLayout(
        crow=_decode_array(csr.crow_indices, wire_pb2.DTYPE_INT64, place),
        columns=_decode_array(csr.col_indices, wire_pb2.DTYPE_INT64, place),
    )
    check_csr(layout, shape, len(values), place)
    dense = np.zeros(shape, values.dtype)
    dense[layout.rows, layout.columns] = values
    return dense


def encode_loss_result(result: LossResult) -> bytes:
    """A ForwardBackwardOutput. Neighbours with equal names and trailing shapes share a record."""
    message = wire_pb2.ForwardBackwardOutput(loss_fn_output_type="ArrayRecord")
    for _, group in groupby(result.outputs, key=_layout):
        outputs = list(group)
        record = message.loss_fn_outputs.add(type_tag="ArrayRecord", num_datums=len(outputs))
        for name in outputs[0]:
            _encode_batch(record.fields[name], [output[name] for output in outputs])
    for name, value in result.metrics.items():
        message.metrics[name] = value
    return bytes(message.SerializeToString())


def _layout(output: dict[str, NDArray[np.float32]]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    return tuple((name, array.shape[1:]) for name, array in output.items())


def _encode_batch(message: wire_pb2.BatchedTensor, arrays: list[NDArray[np.float32]]) -> None:
    blobs = [np.ascontiguousarray(array, "<f4").tobytes() for array in arrays]
    message.data = b"".join(blobs)
    message.offsets = np.cumsum([0, *map(len, blobs)]).astype("<i8").tobytes()
    message.dtype = wire_pb2.DTYPE_FLOAT32
    message.trailing_shape.extend(arrays[0].shape[1:])


def encode_sample_result(result: SampleResult, csr: CsrLayout | None = None) -> bytes:
    """A SampleResponse. `csr` is the layout of the target tokens, if they were sparse."""
    message = wire_pb2.SampleResponse(prompt_cache_hit_tokens=result.cached_tokens)
    for sequence in result.sequences:
        row = message.sequences.add(
            stop_reason=STOP_REASONS[sequence.stop_reason],
            tokens=sequence.tokens.astype("<i4").tobytes(),
            logprobs=sequence.logprobs.astype("<f4").tobytes(),
        )
        if sequence.topk is not None:
            _encode_topk(row.topk_sampled_logprobs, sequence.topk)
    if result.prompt_logprobs is not None:
        message.prompt_logprobs = result.prompt_logprobs.astype("<f4").tobytes()
    if result.topk_prompt is not None:
        _encode_topk(message.topk_prompt_logprobs, result.topk_prompt)
    if result.target_prompt_logprobs is not None:
        _encode_targets(message.target_prompt_logprobs, result.target_prompt_logprobs, csr)
    if result.alt_tokens is not None and result.alt_logprobs is not None:
        alternatives = message.prompt_alt_tokens
        _encode_dense(alternatives.tokens, result.alt_tokens, wire_pb2.DTYPE_INT32)
        _encode_dense(alternatives.logprobs, result.alt_logprobs, wire_pb2.DTYPE_FLOAT32)
    return bytes(message.SerializeToString())


def _encode_topk(message: wire_pb2.TopkLogprobs, topk: TopK) -> None:
    message.token_ids = topk.ids.astype("<i4").tobytes()
    message.logprobs = topk.logprobs.astype("<f4").tobytes()
    message.length, message.k = topk.ids.shape


def _encode_dense(message: wire_pb2.Tensor, array: NDArray[Any], dtype: wire_pb2.DType) -> None:
    message.dense = array.astype(ITEM_TYPES[dtype]).tobytes()
    message.dtype = dtype
    message.shape.extend(array.shape)


def _encode_targets(
    message: wire_pb2.Tensor, logprobs: NDArray[np.float32], csr: CsrLayout | None
) -> None:
    if csr is None:
        _encode_dense(message, logprobs, wire_pb2.DTYPE_FLOAT32)
        return
    message.sparse_csr.values = logprobs[csr.rows, csr.columns].astype("<f4").tobytes()
    message.sparse_csr.crow_indices = csr.crow.astype("<i8").tobytes()
    message.sparse_csr.col_indices = csr.columns.astype("<i8").tobytes()
    message.dtype = wire_pb2.DTYPE_FLOAT32
    message.shape.extend(logprobs.shape)
