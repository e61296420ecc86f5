"""Helpers for sequences."""

import pytest

from tinker_train import all_same, safezip, split_list


def test_safezip_refuses_what_zip_would_cut_off():
    assert safezip([1, 2], "ab") == [(1, "a"), (2, "b")]
    assert safezip() == []
    with pytest.raises(ValueError, match=r"\[2, 3\]"):
        safezip([1, 2], [1, 2, 3])


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
