"""Learning-rate schedules, by numbers worked out by hand."""

import pytest

from tinker_core import ConfigError
from tinker_train import Constant, Cosine, Linear, lr_multiplier


def rates(schedule, total):
    return [lr_multiplier(schedule, step, total) for step in range(total)]


def test_constant_is_one_throughout():
    assert rates(Constant(), 3) == [1.0, 1.0, 1.0]


def test_linear_goes_in_equal_steps_from_one_to_zero_at_the_last_step():
    assert rates(Linear(), 5) == pytest.approx([1.0, 0.75, 0.5, 0.25, 0.0])


def test_linear_ends_where_it_says():
    assert rates(Linear(end=0.2), 5) == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2])


def test_cosine_is_half_way_down_in_the_middle():
    # (1 + cos(pi * way)) / 2 at way = 0, 1/4, 1/2, 3/4, 1
    quarter = (1 + 2**0.5 / 2) / 2
    assert rates(Cosine(), 5) == pytest.approx([1.0, quarter, 0.5, 1 - quarter, 0.0])
    assert rates(Cosine(end=0.5), 3) == pytest.approx([1.0, 0.75, 0.5])


@pytest.mark.parametrize("kind", [Constant, Linear, Cosine])
def test_warm_up_rises_in_equal_steps_and_wastes_none_at_zero(kind):
    assert rates(kind(warmup_steps=3), 8)[:4] == pytest.approx([0.25, 0.5, 0.75, 1.0])


def test_after_warm_up_linear_still_ends_at_the_last_step():
    assert rates(Linear(warmup_steps=1), 4) == pytest.approx([0.5, 1.0, 0.5, 0.0])


def test_a_run_of_one_step_has_the_peak_rate():
    assert rates(Linear(), 1) == rates(Cosine(), 1) == [1.0]


def test_a_run_whose_length_nobody_knows_takes_a_constant_schedule_alone():
    assert lr_multiplier(Constant(), 10**9, None) == 1.0
    with pytest.raises(ConfigError, match=r"Linear .* set max_steps"):
        lr_multiplier(Linear(), 0, None)


def test_a_warm_up_as_long_as_the_run_and_a_step_beyond_it_are_errors():
    with pytest.raises(ConfigError, match="4 warm-up steps do not fit into 4 steps"):
        lr_multiplier(Linear(warmup_steps=4), 0, 4)
    with pytest.raises(ConfigError, match="step 4 is outside a run of 4 steps"):
        lr_multiplier(Linear(), 4, 4)


@pytest.mark.parametrize("kind", [Linear, Cosine])
@pytest.mark.parametrize("end", [0.0, 0.1, 0.3, 0.7, 1.0])
def test_the_last_step_has_exactly_the_rate_at_the_end(kind, end):
    for total in range(2, 60):
        assert lr_multiplier(kind(end=end), total - 1, total) == end
