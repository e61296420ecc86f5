"""Expectations, and which errors are honest refusals."""

from __future__ import annotations

import httpx
import numpy as np
import pytest
import tinker

from tinker_conformance.client.script import Script
from tinker_conformance.client.shown import Reply, Shown
from tinker_conformance.expect import (
    MismatchError,
    expect,
    expect_change,
    expect_close,
    expect_equal,
    refusal,
)


def shown(value):
    script = Script("# header")
    script.add("result = call()", makes="result")
    return Shown(value, "result.value", frozenset({"result"}), script)


def test_a_mismatch_has_what_was_expected_what_came_and_a_program():
    with pytest.raises(MismatchError) as raised:
        expect_close("loss:sum", shown(3.0), 2.0, atol=0.5)
    error = raised.value
    assert (error.what, error.expected, error.came) == ("loss:sum", "2 within 0.5", "3")
    assert error.snippet == "# header\nresult = call()\nprint(result.value)"


def test_close_numbers_pass_and_a_nan_equals_a_nan():
    expect_close("x", shown([1.0, None]), [1.05, np.nan], atol=0.1)
    expect_close("x", shown([100.0]), [101.0], rtol=0.02)


@pytest.mark.parametrize("value", [[1.0], [1.0, 2.0, 3.0], [1.0, None], [1.0, 2.2]])
def test_other_shapes_missing_numbers_and_far_numbers_do_not(value):
    with pytest.raises(MismatchError):
        expect_close("x", shown(value), [1.0, 2.0], atol=0.1)


def test_equal_and_true_pass_and_others_do_not():
    expect_equal("x", shown([1, 2]), [1, 2])
    expect(True, "x", shown(1), "anything")
    with pytest.raises(MismatchError):
        expect_equal("x", shown([1, 2]), [1, 3])
    with pytest.raises(MismatchError, match="expected y, came z"):
        expect(False, "x", shown(1), "y", came="z")


def test_a_change_must_be_large_enough():
    expect_change("x", shown([1.0, 2.0]), [1.0, 1.0], more_than=0.5)
    with pytest.raises(MismatchError):
        expect_change("x", shown([1.0, 2.0]), [1.0, 1.9], more_than=0.5)


def test_a_reply_shows_its_parts_as_the_script_names_them():
    reply = Reply({"a": [1, 2]}, "result_2", Script(""))
    part = reply.show('$["a"][1]')
    assert (part.value, part.expression) == (2, 'result_2.result()["a"][1]')


def status_error(status):
    request = httpx.Request("POST", "http://server")
    return tinker.APIStatusError("no", response=httpx.Response(status, request=request), body=None)


@pytest.mark.parametrize(
    ("error", "honest"),
    [
        (tinker.RequestFailedError("no such loss", "id", "user"), True),
        (tinker.RequestFailedError("KeyError: 3", "id", "server"), False),
        (status_error(400), True),
        (status_error(404), True),
        (status_error(501), False),  # the SDK repeats every 5xx, so that a client only waits
        (status_error(401), False),
        (status_error(500), False),
        (ValueError("the SDK cannot read the answer"), False),
        (TimeoutError(), False),
    ],
)
def test_a_refusal_blames_the_request(error, honest):
    assert (refusal(error) is not None) == honest
