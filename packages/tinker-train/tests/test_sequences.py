"""Small helpers."""

import pytest

from tinker_train import all_same, dict_mean, safezip, split_list, timed


def test_safezip_refuses_what_zip_would_cut_off():
    assert safezip([1, 2], "ab") == [(1, "a"), (2, "b")]
    assert safezip() == []
    with pytest.raises(ValueError, match=r"\[2, 3\]"):
        safezip([1, 2], [1, 2, 3])


def test_a_mean_is_over_the_rows_that_have_the_metric():
    assert dict_mean([{"a": 1.0, "b": 4.0}, {"a": 2.0}]) == {"a": 1.5, "b": 4.0}
    assert dict_mean([]) == {}


@pytest.mark.parametrize("parts", [1, 2, 3, 7, 12])
def test_a_list_is_split_in_order_and_evenly(parts):
    made = split_list(list(range(10)), parts)
    assert [item for part in made for item in part] == list(range(10))
    assert len(made) == parts
    assert max(map(len, made)) - min(map(len, made)) <= 1


def test_all_same():
    assert all_same([])
    assert all_same([1, 1])
    assert not all_same([1, 1, 2])


def test_time_adds_up_and_is_kept_when_the_block_fails():
    metrics = {"time/data": 5.0}
    with timed("data", metrics):
        pass
    assert 5.0 <= metrics["time/data"] < 6.0
    with pytest.raises(KeyError), timed("step", metrics):
        raise KeyError
    assert "time/step" in metrics
