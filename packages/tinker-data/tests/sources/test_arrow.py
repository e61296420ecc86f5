"""Rows of Arrow tables have no keys of other rows."""

import json
import sys

import pyarrow as pa
import pytest
from datasets import Dataset
from pyarrow import parquet

from tinker_core import ConfigError
from tinker_data import as_source, open_file, read_conversation
from tinker_data.sources.open import read_all


def row(name, arguments, properties):
    call = {"type": "function", "function": {"name": name, "arguments": arguments}}
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {
        "messages": [
            {"role": "user", "content": "Hi", "tool_calls": []},
            {"role": "assistant", "content": "", "tool_calls": [call]},
        ],
        "tools": [{"name": name, "description": "Does.", "parameters": schema}],
    }


ROWS = [
    row("weather", {"city": "Rome"}, {"city": {"type": "string"}}),
    row("stock", {"ticker": "X"}, {"ticker": {"type": "string", "enum": ["X"]}}),
    row("now", {}, {}),
]


def sources(tmp_path):
    table = pa.Table.from_pylist(ROWS)
    parquet.write_table(table, tmp_path / "rows.parquet")
    dataset = Dataset.from_list(ROWS)
    yield open_file(tmp_path / "rows.parquet")
    yield as_source(dataset, "dataset")
    yield as_source(dataset.to_iterable_dataset(), "stream")


def test_calls_and_schemas_have_the_keys_of_their_own_row(tmp_path):
    for source in sources(tmp_path):
        read = [read_conversation(raw) for raw in read_all(source)]
        calls = [conversation.messages[1].tool_calls[0] for conversation in read]
        assert [(call.name, call.parsed_arguments) for call in calls] == [
            ("weather", {"city": "Rome"}),
            ("stock", {"ticker": "X"}),
            ("now", {}),
        ]
        for conversation, given in zip(read, ROWS, strict=True):
            properties = given["tools"][0]["parameters"]["properties"]
            assert conversation.tools[0].parameters["properties"] == properties


def test_arguments_in_a_map_are_an_object(tmp_path):
    text = pa.string()
    call = pa.struct([("name", text), ("arguments", pa.map_(text, text))])
    calls = pa.list_(pa.struct([("function", call)]))
    message = pa.struct([("role", text), ("content", text), ("tool_calls", calls)])
    schema = pa.schema([("messages", pa.list_(message))])
    function = {"name": "f", "arguments": [("city", "Rome")]}
    called = {"role": "assistant", "tool_calls": [{"function": function}]}
    table = pa.Table.from_pylist([{"messages": [called]}], schema=schema)
    parquet.write_table(table, tmp_path / "rows.parquet")
    [raw] = read_all(open_file(tmp_path / "rows.parquet"))
    [message] = read_conversation(raw).messages
    assert message.tool_calls[0].parsed_arguments == {"city": "Rome"}


@pytest.mark.parametrize("ending", [".jsonl", ".json", "memory"])
def test_a_null_in_json_is_real(tmp_path, ending):
    rows = [row("f", {"a": None, "b": 1}, {"a": {"default": None}})]
    text = json.dumps(rows) if ending == ".json" else json.dumps(rows[0])
    path = tmp_path / f"rows{ending}"
    path.write_text(text)
    source = as_source(rows) if ending == "memory" else open_file(path)
    [conversation] = [read_conversation(raw) for raw in read_all(source)]
    assert conversation.messages[1].tool_calls[0].parsed_arguments == {"a": None, "b": 1}
    assert conversation.tools[0].parameters["properties"] == {"a": {"default": None}}


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    parquet.write_table(pa.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    source = open_file(tmp_path / "rows.parquet")
    for use in (lambda: next(source.read()), source.fingerprint):
        with pytest.raises(ConfigError, match=r"rows.parquet.*pip install tinker-data\[parquet\]"):
            use()
