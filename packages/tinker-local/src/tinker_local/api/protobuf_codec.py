"""Protobuf bytes <-> the plain values of the engine.

Arrays travel as raw little-endian bytes. Whatever does not fit raises `RequestError`, naming the
datum and the field.
"""

from __future__ import annotations

import math
from itertools import groupby
from typing import Any

import numpy as np
from attrs import frozen
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray

from tinker_local.api.protobuf_schema import MESSAGES
from tinker_local.errors import RequestError
from tinker_local.request_types import Datum, LossRequest, LossResult, SampleResult, TopK

FLOAT32, INT64, INT32, BFLOAT16 = 1, 2, 3, 4
ITEM_TYPES = {FLOAT32: "<f4", INT64: "<i8", INT32: "<i4", BFLOAT16: "<u2"}
STOP_REASONS = {"stop": 0, "length": 1}
MAX_TENSOR_ELEMENTS = 1 << 26
"""Of one densified tensor (256 MiB in float32): a few bytes of CSR must not claim all memory."""


@frozen(kw_only=True, eq=False)
class CsrLayout:
    """Which cells of a sparse matrix are listed, so that an answer can use the same cells."""

    crow: NDArray[np.int64]
    columns: NDArray[np.int64]

    @property
    def rows(self) -> NDArray[np.int64]:
        """The row of every listed cell, shape (listed,)."""
        return np.repeat(np.arange(len(self.crow) - 1), np.diff(self.crow))


def check_csr(layout: CsrLayout, shape: tuple[int, ...], listed: int, where: str) -> None:
    """Raise unless the layout lists `listed` cells inside a matrix of this shape."""
    if len(shape) != 2 or min(shape) < 0:
        raise RequestError(f"{where}: a sparse tensor needs a 2-D shape, got {list(shape)}")
    if math.prod(shape) > MAX_TENSOR_ELEMENTS:
        raise RequestError(
            f"{where}: shape {list(shape)} is over the limit of {MAX_TENSOR_ELEMENTS} elements"
        )
    crow, columns = layout.crow, layout.columns
    if len(crow) != shape[0] + 1 or crow[0] != 0 or crow[-1] != listed or len(columns) != listed:
        raise RequestError(
            f"{where}: CSR indices do not fit: {len(crow)} row pointers, {len(columns)} columns, "
            f"{listed} values, shape {list(shape)}"
        )
    if (np.diff(crow) < 0).any() or (columns < 0).any() or (columns >= shape[1]).any():
        raise RequestError(f"{where}: a CSR index lies outside shape {list(shape)}")


def parse_loss_request(body: bytes) -> Any:
    """The protobuf message, its tensors still raw; `decode_loss_request` reads those."""
    message = MESSAGES["ForwardBackwardRequest"]()
    try:
        message.ParseFromString(body)
    except DecodeError as error:
        raise RequestError(f"forward_backward: not a protobuf request: {error}") from error
    return message


def decode_loss_request(message: Any) -> LossRequest:
    """The values of a parsed forward_backward request."""
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


def _decode_datum(message: Any, where: str) -> Datum:
    pieces = [_decode_chunk(chunk, where) for chunk in message.model_input]
    tokens = np.concatenate(pieces) if pieces else np.zeros(0, np.int64)
    inputs = {
        name: decode_tensor(tensor, f"{where}, {name}")
        for name, tensor in message.loss_fn_inputs.items()
    }
    return Datum(tokens=tokens, inputs=inputs)


def _decode_chunk(chunk: Any, where: str) -> NDArray[np.int64]:
    kind = chunk.WhichOneof("chunk")
    if kind != "encoded_text":
        raise RequestError(f"{where}: this engine reads text only, not a chunk of kind {kind}")
    return _array(chunk.encoded_text.tokens, INT32, f"{where}, tokens").astype(np.int64)


def _array(raw: bytes, dtype: int, where: str) -> NDArray[Any]:
    """Shape (n,), widened to float32 or int64."""
    if dtype not in ITEM_TYPES:
        raise RequestError(f"{where}: unknown dtype {dtype}")
    item = np.dtype(ITEM_TYPES[dtype])
    if len(raw) % item.itemsize:
        raise RequestError(f"{where}: {len(raw)} bytes are not whole items of {item.itemsize}")
    values = np.frombuffer(raw, item)
    if dtype == BFLOAT16:
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.int64) if dtype == INT32 else values


def decode_tensor(message: Any, where: str) -> NDArray[Any]:
    """A dense array of the message's shape; CSR cells that are not listed are 0."""
    shape = tuple(message.shape)
    if message.WhichOneof("encoding") == "sparse_csr":
        return _decode_csr(message.sparse_csr, message.dtype, shape, where)
    values = _array(message.dense, message.dtype, where)
    if not shape:
        return values
    if min(shape) < 0 or math.prod(shape) != len(values):
        raise RequestError(f"{where}: {len(values)} values do not fill shape {list(shape)}")
    return values.reshape(shape)


def _decode_csr(csr: Any, dtype: int, shape: tuple[int, ...], where: str) -> NDArray[Any]:
    values = _array(csr.values, dtype, where)
    layout = CsrLayout(
        crow=_array(csr.crow_indices, INT64, where), columns=_array(csr.col_indices, INT64, where)
    )
    check_csr(layout, shape, len(values), where)
    dense = np.zeros(shape, values.dtype)
    dense[layout.rows, layout.columns] = values
    return dense


def encode_loss_result(result: LossResult) -> bytes:
    """A ForwardBackwardOutput: neighbours with equal names and trailing shapes share a record."""
    message = MESSAGES["ForwardBackwardOutput"](loss_fn_output_type="ArrayRecord")
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


def _encode_batch(field: Any, arrays: list[NDArray[np.float32]]) -> None:
    blobs = [np.ascontiguousarray(array, "<f4").tobytes() for array in arrays]
    field.data = b"".join(blobs)
    field.offsets = np.cumsum([0, *map(len, blobs)]).astype("<i8").tobytes()
    field.dtype = FLOAT32
    field.trailing_shape.extend(arrays[0].shape[1:])


def encode_sample_result(result: SampleResult, csr: CsrLayout | None = None) -> bytes:
    """A SampleResponse; `csr` is the layout that the target tokens came in, if they were sparse."""
    message = MESSAGES["SampleResponse"](prompt_cache_hit_tokens=result.cached_tokens)
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
        _encode_dense(message.prompt_alt_tokens.tokens, result.alt_tokens, INT32)
        _encode_dense(message.prompt_alt_tokens.logprobs, result.alt_logprobs, FLOAT32)
    return bytes(message.SerializeToString())


def _encode_topk(field: Any, topk: TopK) -> None:
    field.token_ids = topk.ids.astype("<i4").tobytes()
    field.logprobs = topk.logprobs.astype("<f4").tobytes()
    field.length, field.k = topk.ids.shape


def _encode_dense(field: Any, array: NDArray[Any], dtype: int) -> None:
    field.dense = array.astype(ITEM_TYPES[dtype]).tobytes()
    field.dtype = dtype
    field.shape.extend(array.shape)


def _encode_targets(field: Any, logprobs: NDArray[np.float32], csr: CsrLayout | None) -> None:
    if csr is None:
        _encode_dense(field, logprobs, FLOAT32)
        return
    field.sparse_csr.values = logprobs[csr.rows, csr.columns].astype("<f4").tobytes()
    field.sparse_csr.crow_indices = csr.crow.astype("<i8").tobytes()
    field.sparse_csr.col_indices = csr.columns.astype("<i8").tobytes()
    field.dtype = FLOAT32
    field.shape.extend(logprobs.shape)
