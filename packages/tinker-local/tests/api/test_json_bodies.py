"""Bodies as bytes: what is valid, and the field and the value that an error names."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinker_local.api.json_bodies import (
    Body,
    Count,
    Integer,
    Size,
    StrictBody,
    Text,
    decode_body,
)
from tinker_local.errors import RequestError


class Item(StrictBody, frozen=True, kw_only=True):
    tokens: list[Integer] = msgspec.field(default_factory=list)


class Everything(StrictBody, frozen=True, kw_only=True):
    name: Text | None = None
    number: Count = 0
    size: Size = 0.0
    kind: Literal["a", "b"] = "a"
    items: list[Item] = msgspec.field(default_factory=list)
    free: dict[str, Any] | None = None


class Lenient(Body, frozen=True, kw_only=True):
    name: Text


def refused(raw, body_type=Everything):
    with pytest.raises(RequestError) as caught:
        decode_body(raw if isinstance(raw, bytes) else json.dumps(raw).encode(), body_type)
    return str(caught.value), caught.value.field


@given(st.binary(max_size=40))
def test_a_body_is_an_object_or_is_refused(raw):
    with suppress(RequestError):
        assert isinstance(decode_body(raw, Everything), Everything)


def test_an_empty_body_is_an_empty_object():
    assert decode_body(b"", Everything) == Everything()


@pytest.mark.parametrize(
    ("body", "message", "field"),
    [
        ({"number": True}, "number: expected int, got True", "number"),
        ({"number": -1}, "number: expected int >= 0, got -1", "number"),
        ({"number": 2**63}, "number: expected int <= 9223372036854775807, got 9", "number"),
        ({"size": "x"}, "size: expected float, got 'x'", "size"),
        ({"name": ""}, "name: expected str of length >= 1, got ''", "name"),
        ({"kind": "c"}, "kind: invalid enum value 'c'", "kind"),
        (
            {"items": [{}, {"tokens": [3, 2.5]}]},
            "items[1].tokens[1]: expected int, got 2.5",
            "items[1].tokens[1]",
        ),
        ({"nmae": "x"}, "nmae: unknown field", "nmae"),
        ({"items": [{"x": 1}]}, "items[0].x: unknown field", "items[0].x"),
        ([], "the body: expected object, got []", "the body"),
    ],
)
def test_an_error_names_the_field_and_its_value(body, message, field):
    text, named = refused(body)
    assert text.startswith(message)
    assert named == field


def test_a_missing_field_is_named():
    assert refused({}, Lenient) == ("name: missing required field", "name")


def test_a_lenient_body_ignores_unknown_fields():
    assert decode_body(b'{"name": "x", "more": 1}', Lenient) == Lenient(name="x")


def test_a_long_value_is_shortened():
    assert len(refused({"number": "x" * 1000})[0]) < 120


@pytest.mark.parametrize(
    "raw", [b"{", b"[" * 100_000, b'{"a":' * 100_000, b'{"name": "\xff"}', b"{} x", b"0{"]
)
def test_a_body_that_is_no_json_is_refused(raw):
    assert "not JSON" in refused(raw)[0]


@pytest.mark.parametrize(
    ("body", "message", "field"),
    [
        ({"name": "\ud800"}, "name: invalid Unicode", "name"),
        ({"free": {"a": ["\udc00"]}}, "free.a[0]: invalid Unicode", "free"),
        ({"free": {"\ud800": 1}}, "free: invalid Unicode", "free"),
        ({"size": float("nan")}, "size: expected a finite number, got nan", "size"),
        ({"size": float("inf")}, "size: expected a finite number, got inf", "size"),
    ],
)
def test_a_value_that_python_reads_and_json_forbids_is_named(body, message, field):
    text, named = refused(body)
    assert text.startswith(message)
    assert named == field
