"""Errors of the SDK."""

import httpx
import pytest
import tinker

from tinker_core import EngineError
from tinker_core.engine.errors import engine_errors


def test_an_error_of_the_sdk_says_what_was_being_done():
    with pytest.raises(EngineError, match="model 'x': no such model"), engine_errors("model 'x'"):
        raise tinker.TinkerError("no such model")


def test_a_future_that_the_engine_lost_is_an_engine_error_although_the_sdk_calls_it_a_value_error():
    sdk = {"__name__": "tinker.lib.api_future_impl"}
    exec("def retrieve(): raise ValueError('status 404')", sdk)
    with pytest.raises(EngineError, match="step 3: status 404"), engine_errors("step 3"):
        sdk["retrieve"]()


def test_an_error_of_somebody_else_s_code_stays_what_it_is():
    with pytest.raises(ValueError, match="mine"), engine_errors("step 3"):
        raise ValueError("mine")


def raise_as_the_sdk(message: str, cause: Exception | None = None) -> None:
    sdk = {"__name__": "tinker.lib.api_future_impl"}
    exec("def retrieve(error, cause): raise error from cause", sdk)
    sdk["retrieve"](ValueError(message), cause)


STATE = " for self.request_id='forward-1' and expected type self.model_cls=<class 'Output'>"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (f"Request failed: out of memory{STATE}", "out of memory"),
        (f"Request failed: two\nlines{STATE}", "two lines"),
        (
            f"Error retrieving result: bad gateway with status 404{STATE}",
            "Error retrieving result: bad gateway",
        ),
        (
            "Error retrieving result: x (status 400) for self.request_id='a' — exceeded 3 retries",
            "Error retrieving result: x",
        ),
        ("Promise expired", "Promise expired"),
    ],
)
def test_the_state_of_the_sdk_is_left_out_of_its_message(message: str, reason: str):
    with pytest.raises(EngineError) as caught, engine_errors("step 3"):
        raise_as_the_sdk(message)
    assert str(caught.value) == f"step 3: {reason}"


def test_of_an_http_error_the_engine_s_detail_is_shown():
    response = httpx.Response(404, request=httpx.Request("POST", "http://engine"))
    body = {"detail": "unknown model 'm-1'"}
    error = tinker.NotFoundError(f"Error code: 404 - {body}", response=response, body=body)
    with pytest.raises(EngineError) as caught, engine_errors("step 3"):
        raise_as_the_sdk(f"Error retrieving result: {error} with status 404{STATE}", cause=error)
    assert str(caught.value) == "step 3: unknown model 'm-1' (HTTP 404)"
    with pytest.raises(EngineError, match=r"^step 4: unknown model"), engine_errors("step 4"):
        raise error
