"""Errors of the SDK."""

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
