"""Validators of config fields."""

import math

import pytest
from attrs import field, frozen

from tinker_core.validators import non_negative, positive


@frozen(kw_only=True)
class Settings:
    rate: float = field(default=1.0, validator=positive)
    decay: float = field(default=1.0, validator=non_negative)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, -1.0, -5e-324])
@pytest.mark.parametrize("name", ["rate", "decay"])
def test_a_number_out_of_range_is_refused_by_name_and_value(name, value):
    with pytest.raises(ValueError, match=rf"{name} must be a finite number .*{value}"):
        Settings(**{name: value})


def test_zero_is_not_positive_and_not_negative():
    with pytest.raises(ValueError, match="rate"):
        Settings(rate=0.0)
    assert Settings(rate=5e-324, decay=0).decay == 0
