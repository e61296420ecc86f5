"""The protobuf messages of the Tinker API, built from a table of field numbers.

Numbers and types are the contract; names never travel. The messages live in a descriptor pool of
their own, under a package name of our own, so that a process may hold them beside the SDK's.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import (  # type: ignore[import-untyped]
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)

PACKAGE = "tinker_local_wire"

TABLE: dict[str, tuple[str, ...]] = {
    # name: "number type name [repeated | optional | map | oneof=group]"
    "ForwardBackwardRequest": (
        "1 string model_id",
        "2 int32 seq_id",
        "3 Datum data repeated",
        "4 string loss_fn",
        "5 double loss_fn_config map",
        "6 bool forward_only",
        "7 LossConfigValue loss_fn_config_v2 map",
    ),
    "LossConfigValue": ("1 double number oneof=value", "2 string text oneof=value"),
    "Datum": ("1 Chunk model_input repeated", "2 Tensor loss_fn_inputs map"),
    "Chunk": (
        "1 EncodedText encoded_text oneof=chunk",
        "2 Image image oneof=chunk",
        "3 Dmel dmel oneof=chunk",
    ),
    "EncodedText": ("1 bytes tokens",),
    "Image": ("1 bytes data", "2 string format"),
    "Dmel": ("1 bytes dmel",),
    "Tensor": (
        "1 bytes dense oneof=encoding",
        "2 SparseCsr sparse_csr oneof=encoding",
        "3 int32 dtype",
        "4 int64 shape repeated",
    ),
    "SparseCsr": ("1 bytes values", "2 bytes crow_indices", "3 bytes col_indices"),
    "ForwardBackwardOutput": (
        "1 string loss_fn_output_type",
        "2 ArrayRecord loss_fn_outputs repeated",
        "3 double metrics map",
    ),
    "ArrayRecord": ("1 string type_tag", "2 BatchedTensor fields map", "3 int64 num_datums"),
    "BatchedTensor": (
        "1 bytes data",
        "2 bytes offsets",
        "3 int32 dtype",
        "4 int64 trailing_shape repeated",
    ),
    "SampleResponse": (
        "1 SampledSequence sequences repeated",
        "2 bytes prompt_logprobs optional",
        "3 TopkLogprobs topk_prompt_logprobs",
        "4 int32 prompt_cache_hit_tokens",
        "5 Tensor target_prompt_logprobs",
        "6 PromptAltTokens prompt_alt_tokens",
    ),
    "SampledSequence": (
        "1 int32 stop_reason",
        "2 bytes tokens",
        "3 bytes logprobs optional",
        "4 TopkLogprobs topk_sampled_logprobs",
    ),
    "TopkLogprobs": ("1 bytes token_ids", "2 bytes logprobs", "3 uint32 k", "4 uint32 length"),
    "PromptAltTokens": ("1 Tensor tokens", "2 Tensor logprobs"),
}

Field = descriptor_pb2.FieldDescriptorProto
SCALARS = {
    "bytes": Field.TYPE_BYTES,
    "string": Field.TYPE_STRING,
    "bool": Field.TYPE_BOOL,
    "double": Field.TYPE_DOUBLE,
    "int32": Field.TYPE_INT32,
    "int64": Field.TYPE_INT64,
    "uint32": Field.TYPE_UINT32,
}


def _set_type(field: Any, kind: str) -> None:
    if kind in SCALARS:
        field.type = SCALARS[kind]
    else:
        field.type = Field.TYPE_MESSAGE
        field.type_name = f".{PACKAGE}.{kind}"


def _add_map(
    message: descriptor_pb2.DescriptorProto, field: Any, name: str, value_kind: str
) -> None:
    """A map is, on the wire, a repeated message of a key and a value."""
    entry_name = name.title().replace("_", "") + "Entry"
    entry = message.nested_type.add(name=entry_name)
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=Field.LABEL_OPTIONAL, type=Field.TYPE_STRING)
    _set_type(entry.field.add(name="value", number=2, label=Field.LABEL_OPTIONAL), value_kind)
    field.label = Field.LABEL_REPEATED
    field.type = Field.TYPE_MESSAGE
    field.type_name = f".{PACKAGE}.{message.name}.{entry_name}"


def _group(message: descriptor_pb2.DescriptorProto, name: str) -> int:
    names = [group.name for group in message.oneof_decl]
    if name not in names:
        message.oneof_decl.add(name=name)
        return len(names)
    return names.index(name)


def _add_message(file: descriptor_pb2.FileDescriptorProto, name: str) -> None:
    message = file.message_type.add(name=name)
    for row in TABLE[name]:
        number, kind, field_name, *how = row.split()
        field = message.field.add(name=field_name, number=int(number), label=Field.LABEL_OPTIONAL)
        if how == ["map"]:
            _add_map(message, field, field_name, kind)
            continue
        _set_type(field, kind)
        if how == ["repeated"]:
            field.label = Field.LABEL_REPEATED
        elif how and how[0].startswith("oneof="):
            field.oneof_index = _group(message, how[0].removeprefix("oneof="))
    for row, field in zip(TABLE[name], message.field, strict=True):
        if row.endswith(" optional"):  # declared last: synthetic groups follow the real ones
            field.proto3_optional = True
            field.oneof_index = _group(message, f"_{field.name}")


def build_messages() -> dict[str, Any]:
    """A message class for each row of the table, by name."""
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{PACKAGE}.proto", package=PACKAGE, syntax="proto3"
    )
    for name in TABLE:
        _add_message(file, name)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))
        for name in TABLE
    }


MESSAGES = build_messages()
